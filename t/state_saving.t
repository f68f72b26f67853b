#!/usr/bin/perl

# When the file that state= names is written: every minute while anything
# changes, and not while nothing does. Minutes pass at once.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Clock;
use Upstream502::Nginx;
use Upstream502::Test;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
mkdir $t->dir . '/kept';
chown +( getpwnam 'nobody' )[2], -1, $t->dir . '/kept' if $> == 0;
$t->conf(
    http   => 'upstream_502_zone z:2m events=64 state=%%DIR%%/kept/state;',
    server => 'location / { proxy_pass http://%%closed%%; }',
);
$t->start;

sub saved () { return ( stat $t->dir . '/kept/state' )[1] // 0 }

sub manager () {
    my ($pid) = grep { Upstream502::Nginx::title($_) =~ /cache manager/ }
      Upstream502::Nginx::children( $t->nginx->pid );
    return $pid;
}

# Of all its processes, the one that saves after the others: when it has done
# with what it was at, as it sets its timer then.
sub let_pass ($seconds) {
    Upstream502::Nginx::turn( manager() );
    $clock->pass($seconds);
    Upstream502::Nginx::turn($_) for $t->nginx->workers, manager();
}

sub failures () { return $t->status->{totals}{failures} }

wait_for 'the process that saves', \&manager;
wait_for 'a first file',           \&saved;

for my $minute ( 1 .. 3 ) {
    subtest "minute $minute of something" => sub {
        $t->get('/');
        my $was = saved();
        let_pass(30);
        is saved(), $was, 'not yet';
        let_pass(31);
        isnt saved(), $was, 'a new file';
    };
}

subtest 'everything is killed' => sub {
    my $kept = failures();
    $t->get('/');
    $t->nginx->kill_all;
    $t->nginx->start;
    is failures(), $kept, 'the last minute is lost';
    wait_for 'the process that saves', \&manager;
};

subtest 'ten minutes of nothing' => sub {
    let_pass(61);
    my $was = saved();
    for my $minute ( 1 .. 10 ) {
        let_pass(61);
        is saved(), $was, "minute $minute: the same file";
    }
    $t->get('/');
    let_pass(61);
    isnt saved(), $was, 'until something happens';
};

$t->finish;
done_testing;
