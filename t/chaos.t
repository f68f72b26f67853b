#!/usr/bin/perl

# Workers are killed in the middle of everything: what they shared stays
# readable and goes on counting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes       qw(time);
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $KILLS = 12;

my $t = Upstream502::Test->new( allow => [qr/exited on signal 9/] );
$t->tcp( rst => [ 'read', 'rst' ] );
$t->conf(
    workers => 2,
    http    => 'upstream_502_zone chaos:2m events=64;
        upstream pair { server 127.0.0.1:%%PORT_nobody%% max_fails=0;
            server %%rst%% max_fails=0; }',
    server => 'location / { proxy_pass http://pair; }
        location = /config { return 502; }',
);
$t->start;

# Clients that do not mind being cut off, until they are told to end.
my @clients = map { traffic() } 1 .. 2;

sub traffic () {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $end = 0;
    local $SIG{TERM} = sub { $end = 1 };
    until ($end) {
        eval { $t->get( $_, patience => 2 ) } for '/a', '/config', '/b';
    }
    POSIX::_exit(0);
}

my $last = 0;
for my $n ( 1 .. $KILLS ) {
    my @workers = $t->nginx->workers;
    kill KILL => $workers[ $n % @workers ];
    wait_for 'a new worker', sub {
        my @now = $t->nginx->workers;
        return @now == 2 && "@now" ne "@workers";
    };
    my $status = wait_for 'the status', sub {
        eval { $t->status }
    };
    my $failures = $status->{totals}{failures};
    ok $failures >= $last, "kill $n: counters never go back ($failures)";
    $last = $failures;
}

kill TERM => @clients;
waitpid $_, 0 for @clients;

my $status = wait_for 'the status', sub {
    eval { $t->status('limit=1000') }
};
my @bad = grep {
         $_->{cause} !~ /^(?:connection_refused|reset_before_response)$/
      || $_->{upstream} ne 'pair'
      || $_->{uri} !~ m{^/[ab]$}
} @{ $status->{events} };
is_deeply \@bad, [], 'every event that is listed is whole';
ok $status->{totals}{failures} > 0, 'there were failures';

my $sum = 0;
$sum += $_ for values %{ $status->{totals}{causes} };
ok abs( $sum - $status->{totals}{failures} ) <= $KILLS,
  'a killed worker leaves at worst one count unfinished';

my $before = $t->status;
$t->row( $t->get('/a') );
is gained( $before, wait_counted($before), 'totals', 'failures' ), 2,
  'and counting goes on';

sub wait_counted ($old) {
    return wait_for 'the count', sub {
        my $now = $t->status;
        return gained( $old, $now, 'totals', 'failures' ) ? $now : undef;
    };
}

$t->finish;
done_testing;
