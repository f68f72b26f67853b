#!/usr/bin/perl

# Whatever changes in the zone: the reload works, statistics start afresh, a
# notice says so, and the workers of before keep the memory they have.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net ();
use Upstream502::Test;

my $t =
  Upstream502::Test->new( allow => [ qr/exited on signal 9/, qr/bind\(\)/ ] );
my $server = 'location = /dead { proxy_pass http://%%closed%%; }';

sub configure ( $zone, %parts ) {
    my $http = $zone ? "upstream_502_zone $zone;" : '';
    $t->conf( http => $http, server => $server, %parts );
}

sub failures { return $t->status->{totals}{failures} }

sub fail_once {
    my $before = failures();
    is $t->get('/dead')->{status}, 502,         'a failure';
    is failures(),                 $before + 1, 'is counted';
}

# What the master has open and mapped of zones; a change leaves nothing behind.
sub descriptors {
    my $pid = $t->nginx->pid;
    return
      grep { ( readlink // '' ) =~ m{^/memfd:nginx_upstream_502:} }
      glob "/proc/$pid/fd/*";
}

sub mappings {
    my $pid = $t->nginx->pid;
    return grep { m{/memfd:nginx_upstream_502:} } split /\n/,
      Upstream502::Nginx::slurp("/proc/$pid/maps");
}

sub starts_afresh ($zone) {
    ok failures() > 0, 'there was something to lose';
    my $log = length $t->error_log;
    configure($zone);
    $t->reload;
    is failures(), 0, 'statistics start afresh';
    my $said = substr $t->error_log, $log;
    like $said,   qr/\[notice\].*upstream_502.*afresh/, 'a notice says so';
    unlike $said, qr/\[emerg\]/,                        'and nothing failed';
    is descriptors(), 1, 'the old memory has no descriptor';
    is mappings(),    1, 'and is not mapped';
    fail_once();
}

sub stays {
    my $before = $t->status;
    my $log    = length $t->error_log;
    $t->reload;
    my $after = $t->status;
    is $after->{totals}{failures}, $before->{totals}{failures},
      'statistics stay';
    is $after->{server}{start_time}, $before->{server}{start_time},
      'since the same time';
    unlike substr( $t->error_log, $log ), qr/afresh/, 'and no notice';
    fail_once();
}

# A reload that nginx rejects after it has initialized the zone; a worker that
# is born afterwards must find the memory of the running configuration.
sub is_rejected ($zone) {
    my $before = failures();
    my $taken  = Upstream502::Net::listen_tcp();
    my $log    = length $t->error_log;
    configure( $zone,
        server => "$server listen 127.0.0.1:" . $taken->sockport . ';' );
    kill HUP => $t->nginx->pid;
    wait_for 'the reload to fail',
      sub { substr( $t->error_log, $log ) =~ /still could not bind/ };
    is failures(), $before, 'the running statistics are untouched';
    fail_once();
    my ($victim) = $t->nginx->workers;
    kill KILL => $victim;
    wait_for 'a new worker', sub {
        my @workers = $t->nginx->workers;
        return @workers == 1 && $workers[0] != $victim;
    };
    is failures(),    $before + 1, 'a new worker has them, too';
    is descriptors(), 1,           'the rejected memory has no descriptor';
    is mappings(),    1,           'and is not mapped';
    fail_once();
}

my $first = 'same:8m events=5120';
configure($first);
$t->start;
fail_once();

subtest 'nothing changes'                  => \&stays;
subtest 'the size, written in another way' => sub {
    configure('same:8192k events=5120');
    stays();
};

# Each differs from the one before; the first four pairs have the same sum of
# bytes and events.
for my $zone (
    'same:8196k events=1024',
    'same:8m events=5120',
    'same:8188k events=9216',
    'same:8m events=5120',
    'same:8m events=5121',
    'same:8m events=1',
    'same:16m events=1',
    'other:16m events=1',
    'other:16m events=8193',
    '',
    $first
  )
{
    subtest $zone || 'the default' => sub {
        starts_afresh($zone);
        my ($events) = $zone =~ /events=(\d+)/;
        is $t->status->{zone}{events_max}, $events // 1024, 'as many events';
        stays();
        $t->nginx->upgrade;
        ok failures() > 0, 'an upgrade keeps them';
        stays();
    };
}

for my $zone ( 'same:8196k events=1024', 'same:8m events=7', 'b:8m', $first ) {
    subtest "$zone, rejected" => sub {
        is_rejected($zone);
        is $t->status->{zone}{events_max}, 5120, 'as many events as before';
        configure($first);
        stays();
    };
}

subtest 'accepted after it was rejected' => sub {
    is_rejected('same:8m events=7');
    starts_afresh('same:8m events=7');
    is_rejected($first);
    starts_afresh($first);
};

# Memory that somebody wrote over: its first word says whose it is.
subtest 'what is there is no store' => sub {
    my ($path) = descriptors();
    open my $memory, '+<:raw', $path or die "$path: $!\n";
    syswrite $memory, "\0" x 8;
    close $memory;
    is_rejected($first);
    starts_afresh($first);
    stays();
};

$t->finish;
done_testing;
