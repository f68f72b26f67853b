#!/usr/bin/perl

# inactive=: upstreams that left the configuration make room for new ones when
# nobody has used them for so long. What they counted goes to (other), events
# and incidents keep the name. Hours pass on the server's clock.

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
my $zone  = 'upstream_502_zone small:1200k events=512 incidents=16 inactive=1h;';
my ( undef, $output ) = $t->check_config( http => $zone );
my ($rows) = $output =~ /holds (\d+) upstreams/;
my $room = $rows - 2;    # without (other) and (none)

sub configure (@names) {
    my @blocks = map { "upstream $_ { server 127.0.0.1:%%PORT_nobody%%; }" } @names;
    my @places = map { "location = /$_ { proxy_pass http://$_; }" } @names;
    $t->conf( http => "$zone @blocks", server => "@places" );
}

my $sent = 0;

sub ask ( $name, $times = 1 ) {
    for ( 1 .. $times ) {
        $sent++ if $t->get("/$name")->{status} == 502;
    }
}

sub metrics {
    return request( $t->port('http'), uri => '/status?format=prometheus' )->{body};
}

my %last;

# Sums that a dashboard makes, and the series of upstreams that are there.
sub balances ($name) {
    my $status = $t->status;
    is $status->{totals}{failures}, $sent, "$name: no failure is lost";
    is sum0( map { $_->{requests} } @{ $status->{upstreams} } ), $sent,
      "$name: none is counted twice";
    my $body = metrics();
    for my $family (qw(requests_total attempts_total responses_total)) {
        my $sum = sum0( $body =~ /^nginx_upstream_502_$family\{.*\} (\d+)$/mg );
        cmp_ok $sum, '>=', $last{$family} // 0, "$name: $family does not fall";
        is $sum, $sent, "$name: $family is what was asked";
        $last{$family} = $sum;
    }
}

my @old = map { "old$_" } 1 .. $room;
configure(@old);
$t->start;
ask( 'old1', 4 );
$clock->forward( 5 * 60 );
ask($_) for @old[ 1 .. $#old ];
balances('a full zone');
is $t->upstream('old1')->{failures}, 4, 'each has a row';

$clock->forward( 90 * 60 );
ask('old2');
configure( 'new1', 'new2', @old[ 3 .. 5 ] );
$t->reload;
ask('new1');
balances('after a reload');
$clock->forward(61);    # nothing could go while the old worker was there
wait_for(
    'rows for the new ones',
    sub {
        ask($_) for qw(new1 new2);
        return $t->upstream('new1') && $t->upstream('new2');
    }
);
balances('some went');
my $status = $t->status("limit=600");
my %is     = map { $_->{name} => $_ } @{ $status->{upstreams} };
ok !$is{old1}, 'one that was not used for an hour is gone';
ok $is{old2},  'one that was used is there';
ok $is{$_},    "$_ is named by the configuration" for @old[ 3 .. 5 ];
cmp_ok $is{'(other)'}{failures}, '>=', 5, 'its counts are those of (other)';
my ($event) = grep { $_->{upstream} eq 'old1' } @{ $status->{events} };
ok $event, 'its events keep the name';
my ($incident) = grep { $_->{upstream} eq 'old1' } @{ $status->{incidents} };
is $incident && $incident->{state}, 'over', 'so does its incident, which is over';
my ($evicted) = metrics() =~ /^nginx_upstream_502_zone_evicted_total (\d+)$/m;
cmp_ok $evicted, '>', 0, 'and it is said how many went';

cmp_ok $is{new2}{failures}, '<=', 1, 'who has the row begins with nothing';
$t->reload;
balances('after another reload');

$t->finish;
done_testing;
