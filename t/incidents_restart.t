#!/usr/bin/perl

# A night in seconds, with state=: an incident across a reload, one across a
# restart, one that loses its nginx altogether. In the morning they are told as
# the access log has them, less what the last minute before the kill took.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Browser;
use Upstream502::Clock;
use Upstream502::Test;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my $kept  = $t->dir . '/kept';
mkdir $kept;
chown +( getpwnam 'nobody' )[2], -1, $kept if $> == 0;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->conf(
    http => "upstream_502_zone z:2m events=256 state=$kept/state;
        upstream shop { server %%closed%%; }
        upstream search { server %%rst%%; }",
    server => 'location /shop { proxy_pass http://shop; }
        location /search { proxy_pass http://search; }',
);
$t->start;

my %failed;    # by incident
my %began;

sub fails ( $incident, $uri, $times ) {
    $began{$incident} //= time + $clock->ahead;
    for ( 1 .. $times ) {
        ++$failed{$incident} if $t->get($uri)->{status} == 502;
    }
}

sub saved () { return ( stat "$kept/state" )[1] // 0 }

# A reload starts the process that saves, which does so at once.
sub reload_and_save () {
    my $was = saved();
    $t->reload;
    wait_for 'the state to be written', sub { saved() != $was };
}

fails( 1, '/shop', 3 );
$clock->forward(60);
$t->reload;
fails( 1, '/shop', 4 );

$clock->forward(3000);
fails( 2, '/search', 5 );
$clock->forward(100);
$t->nginx->stop;
$t->nginx->start;
fails( 2, '/search', 6 );

$clock->forward(3000);
fails( 3, '/shop', 4 );
reload_and_save();
my $lost = 3;
$t->get('/shop') for 1 .. $lost;
$t->nginx->kill_all;
$t->nginx->start;
$clock->forward(120);
fails( 3, '/shop', 2 );
$clock->forward( 5 * 3600 );

my $status = $t->status('limit=1000');
my %logged;
$logged{ $_->{uri} }++ for grep { $_->{status} == 502 } $t->rows;
is_deeply \%logged,
  { '/shop' => $failed{1} + $failed{3} + $lost, '/search' => $failed{2} },
  'the access log has all of them';

my %want = (
    1 => {
        upstream => 'shop', cause => 'connection_refused',
        finding  => 'port_closed', seconds => 60
    },
    2 => {
        upstream => 'search', cause => 'reset_before_response',
        finding  => 'still_listening', seconds => 100
    },
    3 => {
        upstream => 'shop', cause => 'connection_refused',
        finding  => 'port_closed', seconds => 120
    },
);
my %found = map { $_->{id} => $_ } @{ $status->{incidents} };
is_deeply [ sort keys %found ], [ 1 .. 3 ], 'three incidents';
for my $id ( 1 .. 3 ) {
    subtest "incident $id" => sub {
        my ( $one, $want ) = ( $found{$id}, $want{$id} );
        is $one->{state},    'over',            'it is over';
        is $one->{upstream}, $want->{upstream}, 'of this upstream';
        is $one->{failures}, $failed{$id},      "all $failed{$id} failures";
        is_deeply $one->{causes}, { $want->{cause} => $failed{$id} }, 'their cause';
        is $one->{responses}{502}, $failed{$id},      'as many responses';
        is $one->{findings}[0]{name}, $want->{finding}, 'what was seen';
        ok abs( $one->{start} / 1000 - $began{$id} ) < 10, 'when it began';
        ok abs( $one->{duration_ms} / 1000 - $want->{seconds} ) < 20, 'how long it took'
          or diag $one->{duration_ms};
        my $events = $t->status("incident=$id&limit=1000")->{events};
        is @$events, $failed{$id}, 'its events are on record';
        my $text = $t->get("/status?format=text&incident=$id")->{body};
        like $text, qr/^== incident $id: $want->{upstream} \(http\)/m, 'as text';
        like $text, qr/$want->{cause}\s+$failed{$id}\s+100\.0%/, 'with its cause';
    };
}
is $status->{server}{restarts}, 2, 'two restarts';
is $status->{totals}{failures}, $failed{1} + $failed{2} + $failed{3}, 'and all in all';

subtest 'on the page' => sub {
    if ( my $reason = Upstream502::Browser->missing ) {
        plan skip_all => $reason;
    }
    my $browser = Upstream502::Browser->new;
    my $page    = $browser->open( 'http://' . $t->address('http') . '/status' );
    $page->do( click => '[data-window="1d"]' );
    ok $page->wait('document.querySelectorAll("#incidents > li").length === 3'),
      'the three of the last day';
};

$t->finish;
done_testing;
