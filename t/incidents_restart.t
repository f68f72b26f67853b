#!/usr/bin/perl

# A night in seconds, with state=: an incident across a reload, one across a
# restart, one that loses its nginx altogether. In the morning they are told as
# the access log has them, less what the last minute before the kill took.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(floor strftime);
use Test::More;
use Time::HiRes qw(time);
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

# What happened, by incident: failures, and between which times the first and
# the last of them were.
my ( %failed, %first, %last );

sub fails ( $incident, $uri, $times ) {
    for ( 1 .. $times ) {
        my $before = time + $clock->ahead;
        ++$failed{$incident} if $t->get($uri)->{status} == 502;
        $last{$incident} = [ $before, time + $clock->ahead ];
        $first{$incident} //= $last{$incident};
    }
}

# nginx's clock is that of the beginning of the turn of its event loop.
sub happened ( $time, $between, $name ) {
    my ( $from, $to ) = @$between;
    ok $time >= $from - 0.1 && $time <= $to, $name
      or diag "$time, not between $from and $to";
}

sub utc ($ms) { return strftime '%Y-%m-%d %H:%M:%S', gmtime floor( $ms / 1000 ) }

# The number of a file that went may be the next one's.
sub saved () { return join ' ', ( Time::HiRes::stat("$kept/state") )[ 1, 9 ] }

# A reload starts the process that saves, which does so at once.
sub reload_and_save () {
    my $was = saved();
    $t->reload;
    wait_for 'the state to be written', sub { saved() ne $was };
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
        finding  => 'port_closed', peer => 'closed'
    },
    2 => {
        upstream => 'search', cause => 'reset_before_response',
        finding  => 'still_listening', peer => 'rst'
    },
    3 => {
        upstream => 'shop', cause => 'connection_refused',
        finding  => 'port_closed', peer => 'closed'
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
        is $one->{attempts}, $failed{$id}, 'as many attempts';
        is $one->{findings}[0]{count}, $failed{$id}, 'as often as it failed';
        is_deeply $one->{peers},
          [ { addr => $t->address( $want->{peer} ), failures => $failed{$id} } ],
          'their peer';
        happened $one->{start} / 1000, $first{$id}, 'when it began';
        happened $one->{end} / 1000,   $last{$id},  'when it ended';
        is $one->{duration_ms}, $one->{end} - $one->{start}, 'how long it took';
        my $events = $t->status("incident=$id&limit=1000")->{events};
        is @$events, $failed{$id}, 'its events are on record';
        told_as_text( $one, $want, $failed{$id} );
    };
}

# The text of one incident against what JSON was found to tell rightly.
sub told_as_text ( $one, $want, $failed ) {
    my $text = $t->get("/status?format=text&incident=$one->{id}")->{body};
    my $flat = $text =~ s/\s+/ /gr;
    my ( $start, $end ) = map { utc( $one->{$_} ) } qw(start end);
    my $seconds = floor( $one->{duration_ms} / 1000 );
    my $lasted  = sprintf '%dm %ds', $seconds / 60, $seconds % 60;
    like $text, qr/^== incident $one->{id}: $want->{upstream} \(http\)/m, 'as text';
    like $flat, qr/ began $start UTC, last failure $end UTC, $lasted attempts /,
      'with its times';
    like $flat, qr/ attempts $failed, failures $failed, rescued 0; $failed x 502 /,
      'with its counts';
    like $text, qr/^ +$want->{cause} +$failed +100\.0%$/m, 'with its cause';
    like $text, qr/^ +$want->{finding} +$failed$/m, 'with what was seen';
    my $peer = $t->address( $want->{peer} );
    like $text, qr/^ +\Q$peer\E +$failed +100\.0%$/m, 'with its peer';
}

is $status->{server}{restarts}, 2, 'two restarts';
is $status->{totals}{failures}, $failed{1} + $failed{2} + $failed{3}, 'and all in all';

subtest 'on the page' => sub {
    if ( my $reason = Upstream502::Browser->missing ) {
        plan skip_all => $reason;
    }
    my $browser = Upstream502::Browser->new;
    my $page    = $browser->open( 'http://' . $t->address('http') . '/status',
        timezoneId => 'UTC' );
    $page->do( click => '[data-window="1d"]' );
    ok $page->wait('document.querySelectorAll("#incidents > li").length === 3'),
      'the three of the last day';
    for my $id ( 1 .. 3 ) {
        on_the_page( $page, $found{$id}, $want{$id}, $failed{$id} );
    }
};

# An incident as the page shows it when it is opened: names and values of its
# facts, and its findings with how often.
sub facts_of ( $page, $id ) {
    my $at = qq{#incidents > li:has(a[href="#incident-$id"])};
    $page->do( click => qq{#incidents summary:has(.id:text-is("#$id"))} );
    $page->do( waitForSelector => "$at .events > li" );
    return $page->eval( <<'SCRIPT', $at );
(at) => {
  const node = document.querySelector(at);
  const texts = (from, selector) =>
      [...from.querySelectorAll(selector)].map((one) => one.textContent);
  const names = texts(node, '.facts dt');
  const values = texts(node, '.facts dd');
  return {
    badge: node.querySelector('.badge').textContent,
    facts: Object.fromEntries(names.map((name, i) => [name, values[i]])),
    findings: [...node.querySelector('.body > .findings').children].map(
        (one) => [one.dataset.finding, one.querySelector('.times').textContent]),
    events: node.querySelector('.body > .events').children.length,
  };
}
SCRIPT
}

sub on_the_page ( $page, $one, $want, $failed ) {
    my $seen  = facts_of( $page, $one->{id} );
    my $facts = $seen->{facts};
    my $name  = "incident $one->{id}";
    my $cause = $want->{cause} =~ tr/_/ /r;
    is $seen->{badge},       'Over',                "$name is over";
    is $facts->{Upstream},   $want->{upstream},     "$name: upstream";
    is $facts->{Began},      utc( $one->{start} ),  "$name: when it began";
    is $facts->{Ended},      utc( $one->{end} ),    "$name: when it ended";
    is $facts->{Attempts},   $failed,               "$name: attempts";
    is $facts->{'Failed attempts'}, $failed,        "$name: failures";
    is $facts->{Responses},  "502: $failed",        "$name: responses";
    like $facts->{Causes}, qr/^$cause\D+$failed$/,  "$name: causes";
    is $facts->{Peers}, $t->address( $want->{peer} ) . " $failed", "$name: peers";
    is_deeply [ map { "@$_" } grep { $_->[0] eq $want->{finding} } @{ $seen->{findings} } ],
      ["$want->{finding} $failed times"], "$name: what was seen";
    is $seen->{events}, $failed, "$name: its events";
}

$t->finish;
done_testing;
