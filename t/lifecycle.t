#!/usr/bin/perl

# Statistics outlive reloads, killed workers and binary upgrades, and start
# afresh only when the zone itself changes.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Upstream502::Net  ();
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t =
  Upstream502::Test->new( allow => [ qr/exited on signal 9/, qr/bind\(\)/ ] );
$t->tcp( ok => [ 'read', [ write => http_ok() ], 'close' ] );
$t->tcp( rst => [ 'read', 'rst' ] );

my $server = <<'CONF';
location = /dead { proxy_pass http://%%closed%%; }
location = /rst { proxy_pass http://%%rst%%; }
location = /ok { proxy_pass http://%%ok%%; }
CONF
$t->conf( workers => 2, server => $server );
$t->start;

sub failures ( $status = $t->status ) { return $status->{totals}{failures} }

# With several workers the counters may be read by another one than counted.
sub counted ( $want, $what ) {
    my $status = eval {
        wait_for $what, sub {
            my $now = $t->status;
            return failures($now) >= $want ? $now : undef;
        }, 5;
    };
    $status //= $t->status;
    is failures($status), $want, $what;
    return $status;
}

$t->get('/dead') for 1 .. 3;
my $first = counted( 3, 'three failures' );
is $first->{server}{generation}, 1, 'the first generation';

subtest 'reload' => sub {
    $t->reload;
    my $status = counted( 3, 'the counters are still there' );
    is $status->{server}{generation}, 2, 'the second generation';
    is $status->{server}{start_time}, $first->{server}{start_time},
      'the start time stays';
    is_deeply [ map { $_->{id} } @{ $status->{events} } ],
      [ map { $_->{id} } @{ $first->{events} } ], 'so do the events';
    $t->get('/dead');
    counted( 4, 'counting goes on' );
};

subtest 'another number of workers' => sub {
    my $before = $t->status;
    for my $workers ( 5, 1, 2 ) {
        $t->conf( workers => $workers, server => $server );
        kill HUP => $t->nginx->pid;
        wait_for "$workers workers",
          sub { my @now = $t->nginx->workers; @now == $workers };
        $t->get('/dead') for 1 .. 10;
    }
    my $after = counted( failures($before) + 30, 'all are counted' );
    is gained( $before, $after, 'totals', 'requests' ), 30, 'once';
};

subtest 'a worker is killed' => sub {
    my ($victim) = $t->nginx->workers;
    kill KILL => $victim;
    wait_for 'a new worker', sub {
        my @workers = $t->nginx->workers;
        return @workers == 2 && !grep { $_ == $victim } @workers;
    };
    $t->get('/dead');
    my $status = counted( 35, 'counting goes on' );
    is $status->{server}{start_time}, $first->{server}{start_time},
      'the start time stays';
};

subtest 'reload in the middle of traffic' => sub {
    my $before  = $t->status;
    my @targets = qw(/dead /rst /ok);
    my $each    = 40;
    my $file    = $t->dir . '/traffic';
    my $pid     = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        open my $out, '>', $file;
        for my $n ( 1 .. $each ) {
            for my $uri (@targets) {
                my $r = $t->get( $uri, id => "traffic$uri$n" );
                print $out "$uri $r->{status}\n";
            }
        }
        close $out;
        POSIX::_exit(0);
    }
    wait_for 'traffic', sub { $t->slurp('rows.log') =~ m{traffic/ok2} };
    $t->reload for 1 .. 3;
    waitpid $pid, 0;
    my %answers;
    $answers{$_}++ for split /\n/, $t->slurp('traffic');
    is_deeply \%answers,
      { '/dead 502' => $each, '/rst 502' => $each, '/ok 200' => $each },
      'every request was answered as it had to be';
    my $after = counted( failures($before) + 2 * $each, 'every failure' );
    is gained( $before, $after, 'totals', 'requests' ), 3 * $each,
      'every request is counted';
    is gained( $before, $after, 'totals', 'causes', 'connection_refused' ),
      $each, 'the refused ones';
    is gained( $before, $after, 'totals', 'causes', 'reset_before_response' ),
      $each, 'the reset ones';
};

subtest 'a reload that fails' => sub {
    my $before = $t->status;
    my $taken  = Upstream502::Net::listen_tcp();
    my $log    = length $t->error_log;
    $t->conf( server => "$server listen 127.0.0.1:" . $taken->sockport . ';' );
    kill HUP => $t->nginx->pid;
    wait_for 'the reload to fail',
      sub { substr( $t->error_log, $log ) =~ /still could not bind/ };
    $t->conf( server => $server );
    $t->get('/dead');
    counted( failures($before) + 1, 'counting goes on' );
    $t->reload;
    $t->get('/dead');
    counted( failures($before) + 2, 'also after one that works' );
};

subtest 'a binary upgrade that is taken back' => sub {
    my $before = $t->status;
    my $old    = $t->nginx->pid;
    kill USR2 => $old;
    my $new = wait_for 'the new master', sub {
        my $pid = $t->nginx->pid;
        return $pid && $pid != $old && $t->nginx->workers($pid) ? $pid : 0;
    };
    $t->get('/dead') for 1 .. 4;
    kill QUIT => $new;
    wait_for 'the new master to end', sub { ( $t->nginx->pid // 0 ) == $old };
    $t->get('/dead');
    my $after =
      counted( failures($before) + 5, 'what both have counted is there' );
    is $after->{server}{start_time}, $before->{server}{start_time},
      'the start time stays';
};

for my $time (qw(first second)) {
    subtest "binary upgrade, the $time time" => sub {
        my $before = $t->status;
        $t->nginx->upgrade;
        my $after = $t->status;
        isnt $after->{server}{pid}, $before->{server}{pid}, 'another process';
        is failures($after), failures($before), 'the counters are still there';
        is $after->{server}{start_time}, $before->{server}{start_time},
          'the start time stays';
        is_deeply [ map { $_->{id} } @{ $after->{events} } ],
          [ map { $_->{id} } @{ $before->{events} } ], 'so do the events';
        $t->get('/dead');
        counted( failures($before) + 1, 'counting goes on' );
    };
}

for my $zone ( 'another:4m', 'another:8m', 'another:8m events=512' ) {
    subtest "a changed zone: $zone" => sub {
        $t->get('/dead');
        ok failures() > 0, 'there was something to lose';
        my $log = length $t->error_log;
        $t->conf(
            workers => 2,
            http    => "upstream_502_zone $zone;",
            server  => $server
        );
        $t->reload;
        is failures(), 0, 'statistics start afresh';
        my ($name) = $zone =~ /(\w+):/;
        is $t->status->{zone}{name}, $name, 'in the new zone';
        like substr( $t->error_log, $log ),
          qr/\[notice\].*upstream_502.*afresh/,
          'and a notice says so';
    };
}

$t->finish;
done_testing;
