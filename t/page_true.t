#!/usr/bin/perl

# What the page says is so: it asks for what it has not loaded, calls no number
# by another's name, and says what it could not get.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Browser;
use Upstream502::Test;

Upstream502::Browser->need;

my $t = Upstream502::Test->new;
$t->tcp( fine => [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ] );
$t->tcp( rst  => [ 'read', 'rst' ] );
my $cache = 'proxy_cache_path ' . $t->dir . '/cache keys_zone=c:1m;';
$t->conf( http => $cache . <<'CONF', server => <<'CONF2' );
upstream calm { server %%fine%%; }
upstream noisy { server %%rst%% max_fails=0; }
upstream rare { server %%closed%% max_fails=0; }
upstream stored { server %%closed2%% max_fails=0; }
CONF
location /calm { proxy_pass http://calm; }
location /noisy { proxy_pass http://noisy; }
location /rare { proxy_pass http://rare; }
location /stored {
    proxy_cache c;
    proxy_cache_valid any 1h;
    proxy_pass http://stored;
}
location = /html { upstream_502_status html; }
location = /once {
    if ($arg_format) { return 503; }
    upstream_502_status;
}
CONF2
$t->start;
$t->get('/calm');
$t->get("/rare/$_")  for 1 .. 3;
$t->get('/stored')   for 1 .. 25;
$t->get("/noisy/$_") for 1 .. 101;
my $browser = Upstream502::Browser->new;
my $origin  = 'http://' . $t->address('http');

# Its first load is done, and it makes others only when it is told to.
sub visit ($uri) {
    my $page = $browser->open("$origin$uri");
    $page->do( click => '#pause' );
    $page->wait('!feed.loading');
    return $page;
}

sub refresh ($page) {
    $page->do( click => '#refresh' );
    $page->wait('!feed.loading');
}

my $shown = '() => document.querySelectorAll("#events > li").length';
my $list  = '#incidents details[open] .events';
my $page  = visit('/status');

subtest 'filters ask the server' => sub {
    $page->do( selectOption => '#filter-upstream', 'rare' );
    $page->wait('!feed.loading');
    is $page->eval($shown), 3, 'for the upstream whose events are not loaded';
    $page->do( click        => '#clear' );
    $page->do( selectOption => '#filter-cause', 'connection_refused' );
    $page->wait('!feed.loading');
    is $page->eval($shown), 4, 'for a cause';
    like $page->eval('() => lede({...feed.data, diagnoses: []}, serverNow())'),
      qr/noisy/, 'and the last failure of all stays that';
    $page->do( click => '#clear' );
    $page->wait('!feed.loading');
};

subtest 'the search finds what is shown' => sub {
    $page->eval( 'all => { feed.data.events = all; renderAll(); }',
        $t->status('cause=connection_refused')->{events} );
    $page->do( fill => '#search', 'object' );
    is $page->eval($shown), 0, 'not how a script calls it';
    $page->do( fill => '#search', 'listening no' );
    is $page->eval($shown), 4, 'the evidence';
    $page->do( click => '#clear' );
};

subtest 'no share is more than the whole' => sub {
    $page->eval( '() => { feed.data.upstreams[0].peers[0].attempts = 0;'
          . ' feed.data.upstreams[0].peers[0].failures = 3; view.open ='
          . ' new Set(feed.data.upstreams.map((u) => u.name)); renderAll(); }' );
    my @shares =
      map { /([\d.]+)%/ } @{ $page->do( texts => '#upstreams td.number' ) };
    ok @shares > 4, 'there are some';
    is_deeply [ grep { $_ > 100 } @shares ], [], 'whatever came from the cache';
};

subtest 'more events, as far as the server has them' => sub {
    $page->eval('() => { view.limit = 2500; $("more-events").click(); }');
    $page->wait('!feed.loading');
    is $page->do( isHidden => '#problem' ), 1, 'it answers';
    $page->eval( '() => { feed.data.zone.events_max = 50000;'
          . ' feed.data.events = Array(view.limit).fill(feed.data.events[0]);'
          . ' renderAll(); }' );
    is $page->do( isHidden => '#more-events' ), 1, 'then there is no more';
    $page->do('close');
};

subtest 'the events of an incident' => sub {
    my $told = visit('/status');
    $told->eval( '() => { window.real = fetch; window.fetch = (uri, how) =>'
          . ' /incident=/.test(uri) ? Promise.reject(new TypeError()) :'
          . ' real(uri, how); }' );
    $told->do( click => '#incidents summary:has-text("rare")' );
    my $why = '#incidents details[open] .empty';
    like $told->wait_text( $why, '.' ),
      qr/^The events could not be loaded: the server does not answer/,
      'it says why there are none';
    $told->eval('() => { window.fetch = real; }');
    refresh($told);
    ok $told->wait_text( $list, '/rare/3' ), 'asks again';
    is $told->do( isHidden => $why ), 1, 'and says no more';
    $told->do( click => "$list summary >> nth=0" );
    $t->get("/rare/later/$_") for 1 .. 25;
    ok wait_for( 'new ones', sub {
        refresh($told);
        return $told->text($list) =~ m{/rare/later/25};
    } ), 'new ones come';
    like $told->text($list), qr{/rare/3}, 'one that is open stays';
    is $told->eval( '() => { const one = feed.data.incidents.find('
          . '(one) => one.upstream === "rare"); one.timeline = ['
          . '{start: 0, width_ms: 60000, failures: 2},'
          . ' {start: 0, width_ms: 300000, failures: 50},'
          . ' {start: 0, width_ms: null, failures: 3}]; renderAll();'
          . ' return document.querySelector("#incidents details[open] .spark")'
          . '.getAttribute("aria-label"); }' ),
      'the highest bar is 50 in 5 min', 'how many, in how long';
    $told->do('close');
};

subtest 'a location that answers with the page alone' => sub {
    my $html = visit('/html');
    $html->eval( '() => Object.defineProperty(navigator, "clipboard", {value:'
          . ' {writeText: async (text) => { window.copied = text; }}})' );
    $html->do( click => '#incidents summary:has-text("rare")' );
    ok $html->wait_text( $list, '/rare/later/25' ), 'events of an incident';
    $html->do( click => '#incidents .copy' );
    $html->wait('window.copied');
    like $html->eval('() => copied'), qr/\A[^<]*rare[^<]*\z/, 'and its text';
    $html->do('close');
};

subtest 'addresses that somebody made up' => sub {
    my $odd = visit(
        '/status#window=constructor&sort=constructor&cause=constructor');
    is_deeply $odd->do('seen')->{complaints}, [], 'nothing fails';
    like $odd->text('.upstream .name >> nth=-1'), qr/calm/, 'the usual order';
    is $odd->text('#chart-note'), 'last 60 minutes', 'the usual window';
    is $odd->do( isHidden => '#problem' ), 1, 'no such cause is asked for';
    $odd->do('close');
};

subtest 'what is not known is not said' => sub {
    my $day = visit('/once?window=1d');
    ok $day->wait('!document.querySelector("#problem").hidden'), 'no other data';
    unlike $day->text('#numbers'), qr/1 h/, 'numbers of an hour';
    is_deeply [ @{ $day->do( texts => '.upstream:last-child td' ) }[ 0 .. 3 ] ],
      [ ("\x{2013}") x 4 ], 'nor of an upstream';
    like $day->text('#readout'), qr/^In the last day:/, 'a day is called one';
    my $week = visit('/once#window=7d');
    ok $week->wait('!document.querySelector("#problem").hidden'), 'no other data';
    like $week->text('#readout'), qr/^In the last hour:/, 'an hour is no week';
    is $week->text('#chart-note'), 'last 60 minutes', 'in its title either';
};

$t->finish;
done_testing;
