#!/usr/bin/perl

# A night in seconds: incidents of two upstreams, one of them across a reload,
# on a clock that the test turns. In the morning the report, the JSON, the
# metrics, the log and the page tell them, request for request.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Backend;
use Upstream502::Browser;
use Upstream502::Clock;
use Upstream502::Test;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my $ok    = [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ];
my $shop  = Upstream502::Backend->new( $t->dir );
$t->tcp( rst => [ 'read', 'rst' ] );
my $log = 'log_format incident escape=none "$upstream_502_upstream '
  . '$upstream_502_incident $upstream_502_event $status";'
  . ' access_log %%DIR%%/incident.log incident;';
my %conf = (
    http => $log . 'upstream_502_incident_log on;
        upstream shop { server 127.0.0.1:%%PORT_shop%%; }
        upstream search { server %%rst%% max_fails=0; }
        upstream other { server %%closed%%; }',
    server => 'location /shop { proxy_pass http://shop; }
        location /search { proxy_pass http://search; }
        location /other { proxy_pass http://other; }',
);
$conf{http} =~ s/%%DIR%%/$t->dir/e;
$t->conf(%conf);

sub start_shop () {
    $shop->tcp( shop => $ok, port => $t->port('shop') );
    $shop->start;
}

sub ask ( $uri, $times = 1 ) { $t->get($uri) for 1 .. $times }

sub incidents ( $arguments = '' ) { return $t->status($arguments)->{incidents} }

sub now () { return time + $clock->ahead }

start_shop();
$t->start;

subtest 'nothing yet' => sub {
    ask( '/shop', 5 );
    ask( '/search', 2 );
    is_deeply incidents(), [], 'two failures are no incident';
    $clock->forward(120);
    ask('/search');
    is_deeply incidents(), [], 'nor is a third two minutes later';
    is $t->status->{zone}{incidents_max}, 128, 'there is room for 128';
};

my $began;
subtest 'one opens with its third failure' => sub {
    $clock->forward(120);
    $shop->stop;
    $began = now();
    ask( '/shop', 2 );
    is_deeply incidents(), [], 'two are too few';
    ask('/shop');
    my ($one) = @{ incidents() };
    is $one->{upstream}, 'shop', 'of this upstream';
    is $one->{state},    'open', 'it is open';
    is $one->{failures}, 3,      'with all three failures';
    ok abs( $one->{start} / 1000 - $began ) < 5, 'it began with the first';
    like $t->error_log,
      qr/\[warn\]\ .*upstream_502\ incident\ 1\ of\ "shop":\ 3\ failures/x,
      'a line in the error log';
    like $t->get('/status?format=prometheus')->{body},
      qr/^nginx_upstream_502_incident_open\{upstream="shop"\} 1$/m, 'open';
};

subtest 'it goes on, across a reload' => sub {
    $clock->forward(60);
    ask( '/shop', 4 );
    $t->reload;
    $clock->forward(60);
    ask( '/shop', 3 );
    my $incidents = incidents();
    is @$incidents, 1, 'still one';
    is $incidents->[0]{failures}, 10, 'which goes on counting';
    is $incidents->[0]{generation}, 1, 'and began before the reload';
    ok !$incidents->[0]{since_reload}, 'and not with it';
};

subtest 'it is over after five minutes without' => sub {
    start_shop();
    ask( '/shop', 20 );
    $clock->forward(200);
    ask('/shop');
    is incidents()->[0]{state}, 'open', 'not yet';
    $clock->forward(110);
    ask('/shop');
    my ($one) = @{ incidents() };
    is $one->{state},       'over',            'it is over';
    is $one->{attempts},    10,                'successes behind it are not its';
    is $one->{failures},    10,                'failures';
    is $one->{duration_ms}, $one->{end} - $one->{start}, 'its duration';
    ok abs( $one->{duration_ms} - 120_000 ) < 10_000, 'of two minutes'
      or diag $one->{duration_ms};
    is_deeply $one->{causes}, { connection_refused => 10 }, 'its causes';
    is_deeply $one->{responses}, { 500 => 0, 502 => 10, 504 => 0 },
      'its responses';
    is_deeply $one->{peers},
      [ { addr => $t->address('shop'), failures => 10 } ], 'its peers';
    is $one->{findings}[0]{name}, 'port_closed', 'its findings';
    like $one->{findings}[0]{text}, qr/^nothing listens/, 'with what was seen';
    is $one->{first_event} + 9, $one->{last_event}, 'its events';
    is_deeply [ map { $_->{failures} } @{ $one->{timeline} } ], [ 3, 4, 3 ],
      'minute by minute';
    my $over = qr/\[notice\].*upstream_502 incident 1 of "shop" is over: 10/;
    ok wait_for( 'the end in the log', sub { $t->error_log =~ $over } ),
      'and the error log says so';
};

subtest 'one that begins with a reload' => sub {
    $clock->forward(4000);
    ask( '/search', 1 );
    $clock->forward(3700);
    $shop->stop;
    start_shop();
    ask( '/shop', 5 );
    $clock->forward(70);
    ( my $wrong = $conf{http} ) =~ s/PORT_shop/PORT_nobody/;
    $t->conf( %conf, http => $wrong );
    $t->reload;
    ask( '/shop', 5 );
    my ($one) = @{ incidents() };
    is $one->{id}, 2, 'the next id';
    ok $one->{since_reload}, 'it began with the reload';
    is $one->{generation}, 3, 'of this configuration';
    $t->conf(%conf);
    $t->reload;
    ask( '/shop', 2 );
};

subtest 'another upstream at the same time' => sub {
    ask( '/search', 6 );
    my ( $three, $two, $one ) = @{ incidents() };
    is $three->{upstream}, 'search', 'has its own';
    is_deeply $three->{causes}, { reset_before_response => 6 }, 'causes';
    is $two->{failures}, 5, 'and leaves the other alone';
    is $one->{failures}, 10, 'and the one before';
};

subtest 'events and the log name the incident' => sub {
    my $status = $t->status('limit=1000');
    my %of;
    push @{ $of{ $_->{incident} // 'none' } }, $_ for @{ $status->{events} };
    is @{ $of{$_} }, { 1 => 10, 2 => 5, 3 => 6 }->{$_}, "events of $_"
      for 1 .. 3;
    is @{ $of{none} }, 4, 'and of none';
    for my $one ( @{ $status->{incidents} } ) {
        my $events = $t->status("incident=$one->{id}&limit=1000")->{events};
        is_deeply [ map { $_->{id} } @$events ],
          [ map { $_->{id} } @{ $of{ $one->{id} } } ], "?incident=$one->{id}";
    }
    my @logged = map { [split] } split /\n/, $t->slurp('incident.log');
    my %lines;
    for (@logged) { ++$lines{"$_->[0] $_->[1]"} if @$_ == 4 }
    is $lines{'shop 1'},   8, 'the log names it from the third failure on';
    is $lines{'shop 2'},   3, 'also where it began with a reload';
    is $lines{'search 3'}, 4, 'and that of the other';
};

subtest 'filters' => sub {
    is_deeply [ map { $_->{id} } @{ incidents('upstream=search') } ], [3],
      'by upstream';
    is_deeply [ map { $_->{id} } @{ incidents('cause=connection_refused') } ],
      [ 2, 1 ], 'by cause';
    is_deeply incidents('incident=99'), [], 'one that never was';
    for my $bad ( 'incident=x', 'incident=', 'window=2h', 'window=' ) {
        my $r = $t->get("/status?$bad");
        is $r->{status}, 400, "$bad is refused";
        like $r->{body}, qr/\A[^\n]+\n\z/, 'with one line';
    }
};

subtest 'history by the hour' => sub {
    my $hour = $t->status->{totals}{history};
    is $hour->{interval_ms}, 60_000, 'by the minute';
    my $failures = $t->status->{totals}{failures};
    for ( [ '1d', 24 ], [ '7d', 168 ] ) {
        my ( $window, $length ) = @$_;
        my $status  = $t->status("window=$window");
        my $history = $status->{totals}{history};
        is $history->{interval_ms}, 3_600_000, "$window: by the hour";
        is @{ $history->{requests} }, $length, "$window: $length hours";
        is $history->{start} % 3_600_000, 0, "$window: on the hour";
        my $sum = 0;
        $sum += $_ for map { @$_ } values %{ $history->{causes} };
        is $sum, $failures, "$window: all failures";
        my ($shop) = grep { $_->{name} eq 'shop' } @{ $status->{upstreams} };
        my %total;
        for my $kind (qw(requests failures responses_502)) {
            $total{$kind} += $_ for @{ $shop->{history}{$kind} };
            is @{ $shop->{history}{$kind} }, $length, "$window: $kind";
        }
        is_deeply \%total,
          { requests => $shop->{requests}, failures => $shop->{failures},
            responses_502 => $shop->{responses}{502} }, "$window: its sums";
        # The one before where an hour has ended meanwhile.
        my @refused = @{ $status->{totals}{history}{causes}{connection_refused} };
        ok $refused[-1] + $refused[-2] > 0,
          "$window: the last hour is the running one";
    }
};

subtest 'as text' => sub {
    my $text = $t->get('/status?format=text')->{body};
    like $text, qr/^==\ the\ last\ 3\ of\ 3\ incidents/mx, 'the last ones';
    like $text, qr/^\#1\ shop\ .*10\ failures,\ 10\ x\ 502$/mx, 'in a line';
    ok !( grep { length > 100 && !/^  check: / } split /\n/, $text ), 'none too long';
    my $one = $t->get('/status?format=text&incident=1')->{body};
    like $one, qr/^==\ incident\ 1:\ shop\ \(http\)/mx, 'all of one';
    like $one, qr/^began \S+ \S+ UTC, last failure/m,   'when';
    like $one, qr/connection_refused\s+10\s+100.0%/,    'why';
    like $one, qr/why: nothing listens/,                'what was seen';
    like $one, qr/10 failures, newest first/,           'its events';
    my $two = $t->get('/status?format=text&incident=2')->{body};
    like $two, qr/began\ within\ 2\ minutes\ of\ its\ load/x, 'with a reload';
    like $t->get('/status?format=text&incident=9')->{body},
      qr/no such incident/, 'none';
};

subtest 'metrics' => sub {
    my $text = $t->get('/status?format=prometheus')->{body};
    like $text, qr/^nginx_upstream_502_incidents_total\{upstream="shop"\}\ 2$/mx,
      'how many';
    like $text, qr/^nginx_upstream_502_incident_open\{upstream="other"\}\ 0$/mx,
      'none open';
};

subtest 'on the page' => sub {
    if ( my $reason = Upstream502::Browser->missing ) {
        plan skip_all => $reason;
    }
    my $browser = Upstream502::Browser->new;
    my $url     = 'http://' . $t->address('http') . '/status';
    my $page    = $browser->open( $url,
        viewport => { width => 375, height => 800 } );
    is $page->eval('() => document.querySelectorAll("#incidents > li").length'),
      2, 'those of the last hour';
    $page->do( click => '[data-window="1d"]' );
    $page->wait('document.querySelectorAll("#incidents > li").length === 3');
    is $page->eval('() => document.querySelectorAll("#strip rect").length'), 3,
      'all on the time line of a day';
    $page->wait('chart.data.totals.length === 24');
    like $page->text('#readout'), qr/^In the last day: 2\d failed attempts/,
      'the chart is that of a day';
    $page->do( click => '#incidents li:last-child summary' );
    $page->wait_text( '#incidents li:last-child .body', 'Events on record' );
    $page->wait(
        'document.querySelectorAll("#incidents .events > li").length === 10');
    my $body = $page->text('#incidents li:last-child .body');
    like $body, qr/nothing listens/i, 'what was seen';
    like $body, qr/connection refused 10/, 'causes';
    like $page->do('url'), qr/#.*incident=1/, 'the address names it';
    ok $page->narrow, 'nothing sticks out of 375 px';
    is_deeply $page->do( axe => [qw(serious critical)] ), [], 'accessible';
    $page->shoot('incident-375');

    my $linked = $browser->open("$url#incident-1");
    $linked->wait(
        'document.querySelectorAll("#incidents .events > li").length === 10');
    is $linked->eval(
        '() => document.querySelector("#incidents details[open] .id")'
          . '.textContent'
      ),
      '#1', 'a link opens it';
    my $copied = $linked->eval( '() => { window.said = ""; '
          . 'Object.defineProperty(navigator, "clipboard", { value: '
          . '{ writeText: async (text) => { window.said = text; } } }); }' );
    $linked->do( click => '#incidents details[open] .copy' );
    $linked->wait_text( '#incidents details[open] .copy', 'Copied' );
    like $linked->eval('() => window.said'), qr/^== incident 1: shop/m,
      'and is copied as text';

    my $keys = $browser->open($url);
    my $opened;
    for ( 1 .. 40 ) {
        $keys->do( press => 'Tab' );
        next
          if !$keys->eval(
            '() => document.activeElement.matches("#incidents summary")');
        $keys->do( press => 'Enter' );
        $opened = $keys->wait(
            'document.querySelector("#incidents details[open] .facts")'
              . ' !== null' );
        last;
    }
    ok $opened, 'the keyboard opens one';
    for my $one ( $page, $linked, $keys ) {
        my $seen = $one->do('seen');
        is_deeply $seen->{complaints}, [], 'nothing in the console';
        is_deeply $seen->{violations}, [], 'no violation of the policy';
    }
};

$shop->stop;
$t->finish;
done_testing;
