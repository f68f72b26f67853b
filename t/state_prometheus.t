#!/usr/bin/perl

# Restarts in traffic, under a real Prometheus: with state= no counter ever
# falls, nothing is counted twice, and the books are those of the access log.
# TEST_RESTARTS=100 plays more of them.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select ();
use List::Util qw(sum0);
use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Upstream502::Http qw(request);
use Upstream502::Prometheus;
use Upstream502::Test;
use Upstream502::Wire;

if ( my $reason = Upstream502::Prometheus->missing ) {
    plan skip_all => $reason;
}
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};

my $RESTARTS = $ENV{TEST_RESTARTS} // 15;

my $t = Upstream502::Test->new;
mkdir $t->dir . '/kept';
chown +( getpwnam 'nobody' )[2], -1, $t->dir . '/kept' if $> == 0;
$t->tcp( good => [ 'read', [ write => http_last() ] ] );
$t->conf(
    http => "upstream_502_zone z:2m events=64 state=%%DIR%%/kept/state;
        upstream well { server %%good%%; } upstream dead { server %%closed%%; }",
    server => 'location / { proxy_pass http://dead; }
        location /ok { proxy_pass http://well; }',
);
$t->start;
my $prometheus = Upstream502::Prometheus->new($t);
$prometheus->start(<<'CONF');
global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - job_name: nginx
    metrics_path: /status
    params: { format: [prometheus] }
    static_configs: [ { targets: ['127.0.0.1:%%PORT_http%%'] } ]
CONF

# Asks on and on until nobody holds the other end of its pipe any more.
sub client ($port) {
    pipe my $watched, my $held or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        close $held;
        my $end = IO::Select->new($watched);
        my $pause = 0;
        for ( my $n = 0 ; $n < 100_000 && !$end->can_read($pause) ; ++$n ) {
            $pause = eval { request( $port, uri => $n % 3 ? '/' : '/ok' ) } ? 0 : 0.02;
        }
        POSIX::_exit(0);
    }
    return sub { close $held; waitpid $pid, 0 };
}

sub value ($expression) {
    my $vector = $prometheus->value_of($expression) or return;
    return @$vector ? $vector->[0]{value}[1] : undef;
}

# Asked for with the sum of all: what is counted first has no sample before.
my $FAILURES = 'sum(nginx_upstream_502_failures_total)';

request( $t->port('http'), uri => $_ ) for '/', '/ok';
wait_for 'the first samples', sub { value($FAILURES) };
my $began = time;
my $stop  = client( $t->port('http') );
for ( 1 .. $RESTARTS ) {
    my $seen = value($FAILURES) // 0;
    wait_for 'a scrape', sub { ( value($FAILURES) // 0 ) > $seen };
    $t->nginx->stop;
    $t->nginx->start;
}
$stop->();
my $status = $t->status;
my %logged = ( 502 => 0, 200 => 0 );
for my $row ( $t->rows ) {
    $logged{ $row->{status} }++ if $row->{uri} !~ m{^/status};
}
is $status->{server}{restarts},      $RESTARTS,    "$RESTARTS restarts";
is $status->{totals}{failures},      $logged{502}, "$logged{502} failures, as the access log says";
is $status->{totals}{responses}{502}, $logged{502}, 'and as many responses';
is sum0( map { $_->{attempts} } @{ $status->{upstreams} } ),
  $logged{502} + $logged{200}, 'all attempts';
cmp_ok $logged{$_}, '>', $RESTARTS, "$_ in between" for 200, 502;

wait_for 'the last sample', sub { ( value($FAILURES) // 0 ) == $logged{502} };
my $window = int( time - $began ) + 5;
for my $of (qw(requests attempts responses failures peer_failures incidents)) {
    my $name = "nginx_upstream_502_${of}_total";
    is value("max(resets(${name}[${window}s]))"), 0, "$name never fell";
}

# increase() adds up what came from one sample to the next, and guesses beyond
# the first and the last one: by at most 1.1 times what lies between two.
# One request of each kind was counted before the first sample.
for my $case (
    [ requests => 'well', 200 ], [ requests      => 'dead', 502 ],
    [ attempts => 'well', 200 ], [ attempts      => 'dead', 502 ],
    [ failures => 'dead', 502 ], [ peer_failures => 'dead', 502 ],
    [ responses => 'dead', 502 ],
  )
{
    my ( $of, $upstream, $code ) = @$case;
    my $series = qq(nginx_upstream_502_${of}_total{upstream="$upstream"}[${window}s]);
    my $samples = value("min(count_over_time($series) > 1)");
    my $truth   = $logged{$code} - 1;
    my $said    = value("sum(increase($series))");
    my $name    = "$of of $upstream";
    cmp_ok $said, '>=', $truth - 1e-6, "$name: increase() misses nothing";
    cmp_ok $said, '<=', $logged{$code} * ( 1 + 2.2 / ( $samples - 1 ) ) + 1e-6,
      "$name: nor counts anything twice";
}

$prometheus->stop;
$t->finish;
done_testing;
