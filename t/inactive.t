#!/usr/bin/perl

# inactive=: peers that nobody uses any more make room for new ones; what they
# counted goes to (other), and events keep their name. Hours pass on the
# server's clock.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;
use Upstream502::Clock;
use Upstream502::Http qw(request);
use Upstream502::Net  qw(wait_for);
use Upstream502::Test;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my ( undef, $output ) =
  $t->check_config( http => 'upstream_502_zone tiny:8k events=256;' );
my ($least) = $output =~ /at least (\d+)k/;

sub configure ($generation) {
    my $servers = join ' ',
      map { "server 127.0.$generation.$_:%%PORT_nobody%%;" } 1 .. 250;
    $t->conf(
        http => "upstream_502_zone tiny:${least}k events=256 inactive=1h;
            upstream many { $servers }
            upstream one { server 127.0.0.9:%%PORT_nobody%%; }",
        server => 'location = /many { proxy_next_upstream off;
                proxy_pass http://many; }
            location = /one { proxy_pass http://one; }',
    );
}

configure(1);
$t->start;
my $room = $t->status->{zone}{peers_max};
my $sent = 0;

sub ask ( $times, $uri = '/many' ) {
    for ( 1 .. $times ) {
        $sent++ if $t->get($uri)->{status} == 502;
    }
}

sub many { return $t->upstream('many') }

sub evicted {
    my $body =
      request( $t->port('http'), uri => '/status?format=prometheus' )->{body};
    return $body =~ /^nginx_upstream_502_zone_evicted_total (\d+)$/m ? $1 : -1;
}

sub balances ($name) {
    my $many = many();
    is sum0( map { $_->{attempts} } @{ $many->{peers} } ), $many->{attempts},
      "$name: peers sum up to their upstream";
    is $t->status->{totals}{failures}, $sent, "$name: no failure is lost";
}

ask( 1, '/one' );
ask( $room + 5 );
is evicted(), 0, 'nothing goes while everything is used';
balances('a full zone');
my ($first) =
  grep { $_->{upstream} eq 'many' } @{ $t->status->{events} };

configure(2);
$clock->forward( 50 * 60 );
$t->reload;
ask( 1, '/one' );
$clock->forward( 20 * 60 );
ask(1);
ok evicted() > 0, 'after an hour some make room';
balances('some went');
my @addrs;
wait_for(
    'rows for new ones',
    sub {
        $clock->forward(2);
        ask(1);
        @addrs = map { $_->{addr} } @{ many()->{peers} };
        return grep { /^127\.0\.2\./ } @addrs;
    }
);
ok( ( grep { $_ eq '(other)' } @addrs ), 'what went is (other)' );
is $t->upstream('one')->{peers}[0]{addr},
  $t->expand('127.0.0.9:%%PORT_nobody%%'), 'one that was used is there';
balances('new ones');
my ($same) = grep { $_->{id} == $first->{id} } @{ $t->status->{events} };
is $same && $same->{peer}, $first->{peer}, 'an event keeps the name';
$t->reload;
balances('after a reload');

for my $value (qw(inactive=0 inactive=30s inactive=soon)) {
    my ( $code, $said ) = $t->check_config(
        http => "upstream_502_zone tiny:${least}k events=256 $value;" );
    is $code, 1, "$value is refused";
    like $said, qr/"inactive=" and a time of one minute or more/, 'and told';
}

$t->finish;
done_testing;
