#!/usr/bin/perl

# Those who read the report at the same time: they read one, each what it asks
# for of it, and there is an end to how many there are. A zone that is so large
# that a worker has but one report of it at a time.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Clock;
use Upstream502::H2;
use Upstream502::Readers;
use Upstream502::Test qw(:DEFAULT decode_json);

my $UPSTREAMS = 60;
my $STREAMS   = 120;     # of a connection
my $PLACES    = 1024;    # of a worker
my $REPORT    = '/report?format=json';

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my $upstreams = join '', map {
    my $u = $_;
    "upstream backend-$u.example { "
      . join( ' ', map { "server 127.0.6.$_:%%PORT_nobody%%;" } 1 .. 20 )
      . " }\n"
} 1 .. $UPSTREAMS;
$t->conf(
    shutdown => '300s',
    http     => "upstream_502_zone full:64m;
        send_timeout 300s;
        $upstreams",
    server => 'listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
        location = /fail { set $target backend-$arg_n.example;
            proxy_pass http://$target; }
        location = /report { upstream_502_status write=on; }
        location = /count { stub_status; }',
);
$t->start;
my $readers = Upstream502::Readers->new( $t, $REPORT, $STREAMS );

# When the report was made.
sub time_of ($r) { return $r->{body} =~ /"time":(\d+)/ ? $1 : 0 }

$t->get("/fail?n=$_") for 1 .. $UPSTREAMS;

subtest 'what they read is one report' => sub {
    my @readers;
    $t->nginx->freeze( sub { @readers = map { $t->send($REPORT) } 1 .. 3 } );
    my @times = map { time_of( $t->read($_) ) } @readers;
    is $times[1], $times[0], 'of one moment';
    is $times[2], $times[0], 'for all of them';
    cmp_ok time_of( $t->get($REPORT) ), '>', $times[0], 'who comes later gets another';
};

subtest 'each gets what it asks for of it' => sub {
    my %readers = map { $_ => $t->send("$REPORT&upstream=backend-$_.example") }
      1 .. 5;
    for my $n ( sort keys %readers ) {
        my $own = decode_json( $t->read( $readers{$n} )->{body} );
        is join( ' ', map { $_->{name} } @{ $own->{upstreams} } ),
          "backend-$n.example", "reader $n";
        is $own->{totals}{requests}, $UPSTREAMS,
          'with the totals of all';
    }
    my ( $hours, $minutes ) = map { $t->send("$REPORT&limit=1&$_") }
      qw(window=7d window=1h);
    for my $reader ( [ $hours, 168 ], [ $minutes, 60 ] ) {
        my ($spans) =
          $t->read( $reader->[0] )->{body} =~ /"history":.*?"requests":\[(.*?)\]/s;
        is scalar( split /,/, $spans ), $reader->[1], "$reader->[1] spans";
    }
};

# A report of so large a zone has the room for itself.
subtest 'who does not read gives way to others' => sub {
    my @clients = $readers->come(1);
    my $cut     = qr/a report was cut short: its readers are too slow/;
    $clock->pass(2);    # it is no news any more
    my $impatient = $t->send($REPORT);
    wait_for 'one that waits', sub { $readers->requests == $STREAMS + 1 };
    close $impatient->{socket};
    wait_for 'its end', sub { $readers->requests == $STREAMS };
    $clock->pass(20);
    is $readers->requests, $STREAMS, 'where nobody waits all may go on';
    ok scalar( $t->error_log !~ $cut ), 'and nothing is said';
    my $began = $clock->ahead + time;
    my $r     = $t->get("$REPORT&upstream=backend-1.example");
    is $r->{status}, 200, 'another gets a report';
    ok $r->{complete}, 'a whole one';
    cmp_ok time_of($r), '>=', 1000 * $began, 'of its own';
    ok scalar( $t->error_log =~ $cut ), 'the log says so';
    $readers->leave(@clients);
};

subtest 'too many' => sub {
    my @clients = $readers->come( int( $PLACES / $STREAMS ) );
    my $left    = $PLACES % $STREAMS;
    my @ids     = map { 2 * $_ - 1 } 1 .. $left;
    my $waiting = Upstream502::H2->new( $t->port('h2'), window => 0 );
    $waiting->send( $_, $REPORT ) for @ids;
    wait_for 'all places', sub { $readers->requests == $PLACES };
    my $r = $t->get($REPORT);
    is $r->{status}, 503, 'one more is refused';
    is $r->{headers}{'retry-after'},   1,          'and told when to ask again';
    is $r->{headers}{'cache-control'}, 'no-store', 'which no cache keeps';
    is $t->request( $REPORT, method => 'HEAD' )->{status}, 200,
      'HEAD takes no place';
    $readers->leave( @clients, $waiting );
    is $t->get($REPORT)->{status}, 200, 'when they have gone there is room';
};

subtest 'a reset' => sub {
    my $reader = $t->send($REPORT);
    is $t->request( '/report', method => 'DELETE' )->{status}, 204, 'DELETE';
    like $t->get($REPORT)->{body}, qr/"totals":\{"requests":0,/,
      'what is read then is new';
    $t->read($reader);
};

# nginx itself looks for timers only, and who waits for a turn has none.
subtest 'a worker that is to end' => sub {
    my ($old) = $t->nginx->workers;
    my $half = Upstream502::Http::connect_to( $t->port('http') );
    syswrite $half, "GET $REPORT HTTP/1.1\r\nHost: localhost\r\n";
    wait_for 'the worker to take it',
      sub { $t->get('/count')->{body} =~ /Reading: 1/ };
    $t->nginx->freeze( sub {
        syswrite $half, "Connection: close\r\n\r\n";
        kill QUIT => $old;
    } );
    my $r = Upstream502::Http::read_response($half);
    ok $r->{complete}, 'the report is whole';
    wait_for 'its end', sub { !grep { $_ == $old } $t->nginx->workers };
};

$t->finish;
done_testing;
