#!/usr/bin/perl

# A full zone breaks no request: what has no row of its own is counted under
# (other), and an overflow counter says so.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http qw(request);
use Upstream502::Test;
use Upstream502::Wire;

my $t    = Upstream502::Test->new;
my $tiny = 'upstream_502_zone tiny:8k events=16;';
my ( undef, $output ) = $t->check_config( http => $tiny );
my ($least) = $output =~ /at least (\d+k)/;
ok $least, 'the smallest zone' or BAIL_OUT($output);

# Every port is another upstream; every address of the group another peer.
my $peers = join ' ', map { "server 127.0.3.$_:%%PORT_nobody%%;" } 1 .. 250;
$t->conf(
    http => "upstream_502_zone tiny:$least events=16;
        upstream many { $peers }",
    server => 'location = /peer { proxy_next_upstream off;
            proxy_pass http://many; }
        location = /upstream {
            proxy_pass http://127.0.2.$arg_n:%%PORT_nobody%%; }
        keepalive_requests 100000;',
);
$t->start;

my $room = $t->status->{zone}{peers_max};
ok $room > 0, "room for $room peers";

# What `nginx -t` says of a zone holds in one that runs, and adds up.
sub announced ($zone) {
    my ( $code, $output ) = $t->check_config( http => $zone );
    is $code, 0, $zone;
    my @said = $output =~ /^nginx:\ \[notice\]\ upstream_502_zone\ "tiny"\ holds
        \ (\d+)\ upstreams,\ (\d+)\ peers,\ (\d+)\ events
        \ and\ (\d+)\ incidents:
        \ (\d+)\ bytes\ per\ upstream,\ (\d+)\ bytes\ per\ peer,
        \ (\d+)\ bytes\ per\ event,\ (\d+)\ bytes\ per\ incident,
        \ (\d+)\ bytes\ besides$/mx
      or diag $output;
    my %said;
    @said{qw(upstreams peers events incidents upstream peer event incident fixed)}
      = @said;
    return \%said;
}

my $said = announced("upstream_502_zone tiny:$least events=16;");
my $zone = $t->status->{zone};
is $said->{peers},  $zone->{peers_max},  'the peers that nginx -t says';
is $said->{events}, $zone->{events_max}, 'the events that nginx -t says';
for my $size ( 2, 32 ) {
    my $larger = announced("upstream_502_zone tiny:${size}m events=100 incidents=50;");
    my $sum = $larger->{fixed};
    $sum += $larger->{"${_}s"} * $larger->{$_} 
      for qw(upstream peer event incident);
    my $filled = $sum / ( $size << 20 );
    ok $filled > 0.95 && $filled < 1, "which fill ${size}m" or diag $filled;
    cmp_ok $larger->{peer},     '<=', 1024, 'memory per peer';
    cmp_ok $larger->{upstream}, '<=', 6144, 'memory per upstream';
}

my $requests = 0;
my $socket;

sub ask ($uri) {
    my $r = request(
        $t->port('http'),
        uri  => $uri,
        keep => 1,
        defined $socket ? ( socket => $socket ) : ()
    );
    $socket = $r->{socket};
    $requests++;
    return $r->{status};
}

sub sum ( $list, $key ) {
    my $sum = 0;
    $sum += $_->{$key} for @$list;
    return $sum;
}

my $wrong = 0;
for my $n ( 1 .. $room + 20 ) {
    last     if $n > 250;
    $wrong++ if ask('/peer') != 502;
}
for my $n ( 1 .. 250 ) {
    $wrong++ if ask("/upstream?n=$n") != 502;
}
is $wrong, 0, 'every request got its 502';

my $status = $t->status('limit=1000');
my @names  = map { $_->{name} } @{ $status->{upstreams} };
ok $status->{zone}{overflow} > 0,   'the overflow is counted';
ok $status->{zone}{peers} <= $room, 'no more peers than there is room for';
ok( ( grep { $_ eq '(other)' } @names ), 'upstreams without a row' );
my ($many) = grep { $_->{name} eq 'many' } @{ $status->{upstreams} };
ok( ( grep { $_->{addr} eq '(other)' } @{ $many->{peers} } ),
    'peers without a row' );
is sum( $status->{upstreams}, 'requests' ), $requests, 'no request is lost';
is sum( $status->{upstreams}, 'failures' ), $requests, 'no failure is lost';
is sum( $many->{peers},       'attempts' ), $many->{attempts},
  'peers sum up to their upstream';
is $status->{totals}{failures}, $requests, 'totals agree';
my %ids = map { $_->{id} => 1 } @{ $status->{events} };
is scalar keys %ids, scalar @{ $status->{events} }, 'no event is listed twice';
ok keys %ids >= 16, 'the last events are kept';
is $status->{events}[0]{id}, $requests, 'every event had its id';

my @warnings = $t->error_log =~ /\[warn\].*upstream_502.*/g;
ok @warnings >= 1 && @warnings <= 2, 'one warning a minute'
  or diag join "\n", @warnings;

is ask('/peer'), 502, 'a full zone goes on';

$t->finish;
done_testing;
