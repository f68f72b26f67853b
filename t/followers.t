#!/usr/bin/perl

# Many who follow, and slow ones: they hold nobody, learn what they have missed,
# and end with their worker.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(time);
use Upstream502::Followed;
use Upstream502::H2;
use Upstream502::Nginx ();
use Upstream502::Test;

my $PLACES = 64;      # of a worker
my $BEHIND = 1000;    # nobody is further behind

# Sanitizers keep what is freed.
my $SANITIZED = $ENV{TEST_NGINX_ASAN};

my ( $t, $clock, $conf ) = Upstream502::Followed->start( <<'CONF' );
listen 127.0.0.1:%%PORT_small%% sndbuf=16k;
location = /impatient { send_timeout 1s; upstream_502_status; }
location = /before { upstream_502_status; post_action /after; }
location = /after { proxy_read_timeout 2s; proxy_pass http://%%silent%%; }
CONF
$t->tcp( silent => [ 'read', 'hold' ] );
$t->conf(%$conf);
$t->start;

subtest 'who reads nothing' => sub {
    start_afresh();
    my ($worker) = $t->nginx->workers;
    my $slow = follow( 'format=json', headers => ['X-Slow: 1'] );
    my $quick = follow('format=json');
    $_->wait('alive') for $slow, $quick;
    ask( '/app/flood', 500 );
    $quick->wait( failure => 500 );
    is scalar $quick->objects('left_out'), 0, 'who reads misses nothing';
    ask( '/app/flood', 3500 );
    my $resident = Upstream502::Nginx::resident($worker);
    ask( '/app/flood', 3500 );
    cmp_ok Upstream502::Nginx::resident($worker) - $resident, '<', 3000,
      'what it does not read takes no memory' if !$SANITIZED;
    my ($newest) = map { $_->{id} } @{ $t->status('limit=1')->{events} };
    $slow->until( 'the newest', sub { /"failure","id":$newest,.*\n\z/ } );
    my @left = map { $_->{count} } $slow->objects('left_out');
    my $left = 0;
    $left += $_ for @left;
    my $told = () = $slow->objects('failure');
    my $incidents = () = $slow->objects('incident');
    cmp_ok scalar @left, '>=', 1, 'learns that something is left out';
    is $told + $left + $incidents, 7501, 'and how much: nothing else is';
    cmp_ok $told, '>=', $BEHIND - 1, 'gets the last thousand';
    my @ids = map { $_->{id} } $slow->objects('failure');
    is_deeply \@ids, [ sort { $a <=> $b } @ids ], 'in order';
    my %once = map { $_ => 1 } @ids;
    is scalar keys %once, $told, 'each once';
    $_->leave for $slow, $quick;
};

subtest 'going on too late' => sub {
    my @ids = map { $_->{id} } @{ $t->status('limit=1000')->{events} };
    my $far = $ids[0] - 1500;
    my $f = follow( "format=json&since=$far" );
    $f->until( 'the newest', sub { /"failure","id":$ids[0],.*\n\z/ } );
    is_deeply [ map { $_->{count} } $f->objects('left_out') ], [500],
      'says how many are left out';
    is scalar $f->objects('failure'), 1000, 'and tells the rest';
    $f->leave;
};

# New failures every beat are no reason to wait for it any longer.
subtest 'who takes nothing for longer than send_timeout' => sub {
    start_afresh();
    my $dead = follow( 'format=json',
        location => '/impatient', port => $t->port('small') );
    $dead->wait('alive');
    ask( '/app/x', 500 );
    wait_for 'only this one', sub { $t->at_work == 1 };
    ok wait_for( 'its end', sub { ask('/app/y'); $t->at_work == 0 } ),
      'is cut';
    $dead->leave;
};

# nginx goes on with the request of a client that has gone.
subtest 'whose request post_action takes over' => sub {
    start_afresh();
    my ($worker) = $t->nginx->workers;
    my $gone = follow( 'format=json', location => '/before' );
    $gone->wait('alive');
    $gone->leave;
    $t->farm->wait_connections( 'silent', 1 );
    my $f = follow('format=json');
    $f->wait('alive');
    ask('/app/x');
    $f->wait('failure');    # a turn behind that of the one who has gone
    is $t->at_work, 2, 'that request goes on';
    is_deeply [ $t->nginx->workers ], [$worker], 'and so does the worker';
    $f->leave;
    wait_for 'its end', sub { $t->at_work == 0 };
};

subtest 'too many' => sub {
    start_afresh();
    wait_for 'nobody', sub { $t->at_work == 0 };
    my @all = map { follow() } 1 .. $PLACES;
    $_->until( 'a beginning', sub { length } ) for @all;
    my $r = $t->get('/status?follow');
    is $r->{status}, 503, 'one more is refused';
    is $r->{headers}{'retry-after'}, 1, 'and told when to ask again';
    is $r->{body}, "too many clients are following already\n", 'and why';
    is $t->get('/status')->{status}, 200, 'reports are read all the same';
    ask('/app/seen');
    $_->until( 'it', sub { m{/app/seen} } ) for @all;
    pass 'all are told';
    $_->leave for @all;
    wait_for 'nobody', sub { $t->at_work == 0 };
    my $again = follow();
    $again->until( 'a beginning', sub { length } );
    is $again->head->{status}, 200, 'when they have gone there is room';
    $again->leave;
};

subtest 'others are not held' => sub {
    start_afresh();
    my @all = map { follow( $_ % 2 ? 'format=json' : '' ) } 1 .. 20;
    $_->until( 'a beginning', sub { length } ) for @all;
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        my $done = eval { ask( '/app/load', 3000 ); 1 };
        POSIX::_exit( $done ? 0 : 1 );
    }
    my @times;
    while ( waitpid( $pid, POSIX::WNOHANG() ) == 0 ) {
        my $began = time;
        $t->get('/count');
        push @times, time - $began;
        $_->take for @all;
    }
    is $?, 0, 'all of the failures were made';
    cmp_ok scalar @times, '>', 10, 'and requests beside them';
    my ($median) = ( sort { $a <=> $b } @times )[ @times / 2 ];
    note sprintf '%d requests, median %.1f ms, longest %.1f ms', scalar @times,
      1000 * $median, 1000 * ( sort { $b <=> $a } @times )[0];
    cmp_ok $median, '<', 0.1, 'a request is answered';
    my ($newest) = map { $_->{id} } @{ $t->status('limit=1')->{events} };
    $_->until( 'the newest', sub { /(?:event\s+|"id":)$newest\b/ } ) for @all;
    pass 'all have come to the end';
    $_->leave for @all;
};

subtest 'DELETE' => sub {
    start_afresh();
    ask( '/app/x', 5 );
    my $f = follow('format=json');
    $f->wait( failure => 5 );
    is $t->request( '/status', method => 'DELETE' )->{status}, 204, 'DELETE';
    ask( '/app/y', 3 );
    my @failures = $f->wait( failure => 8 );
    is $failures[-1]{uri}, '/app/y', 'goes on';
    $f->wait( incident => 2 );
    is scalar $f->objects('left_out'), 0, 'what was deleted is not left out';
    $f->leave;
};

subtest 'memory and connections' => sub {
    my ($worker) = $t->nginx->workers;
    my $before;
    for my $round ( 1 .. 4 ) {
        my @all = map { follow('format=json') } 1 .. 50;
        $_->wait('alive') for @all;
        ask( '/app/x', 20 );
        $_->leave for @all[ 0 .. 24 ];
        $_->reset for @all[ 25 .. 49 ];
        wait_for 'nobody', sub { $t->at_work == 0 };
        $before //= Upstream502::Nginx::anonymous($worker);
    }
    my $more = Upstream502::Nginx::anonymous($worker) - $before;
    cmp_ok $more, '<', 2000, "all is given back ($more KiB more)" if !$SANITIZED;
    my ($active) = $t->get('/count')->{body} =~ /Active connections: (\d+)/;
    is $active, 1, 'and no connection is left';
};

subtest 'the end of a worker' => sub {
    start_afresh();
    my ($old) = $t->nginx->workers;
    my $text = follow();
    my $json = follow('format=json');
    my $h2   = Upstream502::H2->new( $t->port('h2') );
    my $slow = follow( 'format=json', port => $t->port('small') );
    $h2->send( 1, '/status?follow&format=json' );
    $_->until( 'a beginning', sub { length } ) for $text, $json, $slow;
    wait_for 'a stream', sub { $h2->take; $h2->{streams}{1}{body} };
    ask( '/app/x', 500 );
    $json->wait('failure');
    my $began = time;
    $t->reload;
    $_->end for $text, $json;
    is $text->complete, 1, 'whole, in text';
    is $json->complete, 1, 'and in JSON';
    $h2->read(1);
    ok !$h2->{streams}{1}{reset}, 'and over HTTP/2';
    close $h2->{socket};    # nginx waits for that
    wait_for 'the end of the old worker', sub { !Upstream502::Nginx::alive($old) };
    cmp_ok time - $began, '<', 2, 'it ends at once';
    $slow->leave;
    my ($last) = map { $_->{id} } reverse $json->objects('failure');
    ask('/search/meanwhile');
    my $again = follow( 'format=json', headers => ["Last-Event-ID: $last"] );
    my ($next) = $again->wait('failure');
    is $next->{id}, $last + 1, 'the new worker goes on behind it';
    $again->until( 'the last', sub { m{"/search/meanwhile"} } );
    $again->leave;
};

subtest 'another zone' => sub {
    my $f = follow('format=json');
    $f->wait('alive');
    $t->conf( %$conf, workers => 3,
        http => "upstream_502_zone other:4m;\n$conf->{http}" );
    $t->reload;
    ok $f->end, 'it ends';
    is $f->complete, 1, 'well';
    my $new = follow('format=json&since=5000');
    $new->wait('alive');
    ask( '/app/x', 3 );
    is scalar $new->wait( failure => 3 ), 3,
      'an id of another zone keeps nothing back';
    $new->leave;
};

subtest 'several workers' => sub {
    is scalar( $t->nginx->workers ), 3, 'three';
    my @all = map { follow('format=json&limit=0') } 1 .. 9;
    $_->wait('alive') for @all;
    $t->get("/app/all/$_") for 1 .. 30;
    for my $f (@all) {
        my @uris = map { $_->{uri} } $f->wait( failure => 30 );
        is_deeply [ sort @uris ], [ sort map { "/app/all/$_" } 1 .. 30 ],
          'all failures of all workers';
    }
    $t->nginx->stop;
    $_->end for @all;
    is scalar( grep { $_->complete } @all ), 9, 'and all end well';
};

$t->finish;
done_testing;
