#!/usr/bin/perl

# The books balance: under a mixed load with keep-alive clients, two workers
# and four reloads in the middle, what was counted equals what the access log
# says, request for request, and no worker grows.
#
# LOAD_REQUESTS: how many (default 20000).

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(max sum0);
use Test::More;
use Time::HiRes qw(time);
use Upstream502::Books;
use Upstream502::Clients;
use Upstream502::Load;
use Upstream502::Test qw(:DEFAULT);

my $REQUESTS = $ENV{LOAD_REQUESTS} // 20000;
my $PATIENCE = 60 + $REQUESTS / 20;
my $GROWTH   = 256;                            # kB

# A bit more than a third of the kinds fails; some of them do not always.
sub kinds () {
    my @sound = sound();
    my ( $n, @kinds ) = (0);
    for my $failing ( failing() ) {
        push @kinds, $failing, map { $sound[ $n++ % @sound ] } 1 .. 2;
        pop @kinds if $n % 8 == 0;
    }
    return @kinds;
}

# kB that a worker has to itself, without what it shares.
sub private_memory ($pid) {
    my ( $shared, $sum ) = ( 0, 0 );
    for ( split /\n/, Upstream502::Nginx::slurp("/proc/$pid/smaps") ) {
        $shared = $1 eq 's'      if /^[0-9a-f]+-[0-9a-f]+ ...(.)/;
        $sum += $shared ? 0 : $1 if /^Private_Dirty: +(\d+)/;
    }
    return $sum;
}

my $t = Upstream502::Test->new;
add_backends($t);
my $held = fill_queues($t);
$t->conf(
    workers   => 2,
    events    => 'worker_connections 1024;',
    error_log => 'error_log %%DIR%%/error.log warn;',
    http      => http(),
    server    => server(),
);
$t->start;

my @kinds   = kinds();
my $began   = time;
my $clients = Upstream502::Clients->new( $t->port('http'), \@kinds, $REQUESTS );
my $books   = Upstream502::Books->new( $t->dir . '/load.log', \&want );

sub await ($share) {
    wait_for "request $share of 1", sub {
        $books->read;
        return $books->{lines} >= $share * $REQUESTS;
    }, $PATIENCE;
}

for my $share ( 0.1, 0.2, 0.3, 0.4 ) {
    await($share);
    $t->reload;
}
await(0.6);
my @workers = $t->nginx->workers;
my %memory  = map { $_ => private_memory($_) } @workers;
ok $clients->wait, 'every request was answered';
await(1);
note sprintf '%d requests in %.1f s, %d of them with a failure, %d reloads',
  $books->{lines}, time - $began, $books->{failing}, 4;

is_deeply [ sort $t->nginx->workers ], [ sort @workers ], 'the same workers';
SKIP: {
    skip 'sanitizers keep what is freed', 1 if $ENV{TEST_LD_PRELOAD};
    my %growth = map { $_ => private_memory($_) - $memory{$_} } @workers;
    cmp_ok max( values %growth ), '<', $GROWTH,
"private memory of the workers, kB: @{[ %memory ]}, then @{[ %growth ]} more";
}

my $status = $books->compare($t);
my $totals = $status->{totals};
is $books->{lines}, $REQUESTS, 'every request is in the log';
cmp_ok keys %{ $books->{causes} }, '>=', 20, 'of twenty and more causes';
cmp_ok $books->{failing},          '>=', $REQUESTS / 3, 'a third failed';
is $status->{zone}{overflow}, 0,                  'no overflow';
is $status->{events}[0]{id},  $books->{failures}, 'an event for each failure';

my @upstreams = @{ $status->{upstreams} };
my %nameless  = %{ $books->{nameless} };
for my $what (qw(requests attempts failures rescued)) {
    my $sum = sum0 map { $_->{$what} } @upstreams;
    is $sum, $totals->{$what}, "upstreams sum up: $what";
}
for my $code ( 500, 502, 504 ) {
    my $sum = sum0 map { $_->{responses}{$code} } @upstreams;
    is $sum + ( $nameless{$code} // 0 ), $totals->{responses}{$code},
      "upstreams sum up: responses $code";
}
for my $upstream (@upstreams) {
    my ( $name, $causes, $peers ) = @$upstream{qw(name causes peers)};
    is sum0( values %$causes ), $upstream->{failures}, "causes of $name sum up";

    # Where no server was chosen, there is no peer, though nginx may count it as
    # an attempt.
    my $none = $causes->{no_live_upstreams} // 0;
    is sum0( map { $_->{attempts} } @$peers ), $upstream->{attempts} - $none,
      "peers of $name sum up: attempts";
    my $resolving = sum0 grep { defined }
      @$causes{qw(resolver_missing dns_error dns_timeout)},
      $name =~ m{/url\)$} ? $causes->{internal_error} : 0;
    is sum0( map { $_->{failures} } @$peers ),
      $upstream->{failures} - $none - $resolving,
      "peers of $name sum up: failures";
}
is sum0( @{ $totals->{history}{requests} } ), $totals->{requests},
  'the history sums up to the requests';

my %metric;
my $metrics = $t->get('/status?format=prometheus')->{body};
while ( $metrics =~ /^nginx_upstream_502_(\w+)_total\{([^}]*)\} (\d+)$/mg ) {
    my ( $name, $labels, $value ) = ( $1, $2, $3 );
    my ($of) = $labels =~ /(?:code|cause)="(\w+)"/;
    $metric{$name}{ $of // '' } += $value;
}
is $metric{failures}{$_}, $books->{causes}{$_}, "metrics agree: $_"
  for sort keys %{ $books->{causes} };
is $metric{responses}{$_}, $books->{responses}{$_}, "metrics agree: $_"
  for sort keys %{ $books->{responses} };

$t->finish;
done_testing;
