#!/usr/bin/perl

# The page in a real browser, before a real nginx whose backends come and go
# while it is open. Screenshots are left in build/screenshots.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Backend;
use Upstream502::Browser;
use Upstream502::Clock;
use Upstream502::Test;

Upstream502::Browser->need;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my $ok    = [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ];
my $shop  = Upstream502::Backend->new( $t->dir );
$t->tcp( fine => $ok );
$t->tcp( rst  => [ 'read', 'rst' ] );
$t->tcp( slow => [ 'read', 'hold' ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
large_client_header_buffers 4 64k;
upstream shop { server 127.0.0.1:%%PORT_shop%%; }
upstream search { server %%fine%%; server %%rst%% max_fails=0; }
upstream '<b>"quoted"&amp;<i>' { server %%closed%%; }
CONF
upstream_502_record_uri full;
location / { proxy_pass http://shop; }
location /search { proxy_pass http://search; proxy_next_upstream off; }
location /bad { proxy_pass http://%%rst%%; }
location /slow { proxy_pass http://%%slow%%; proxy_read_timeout 50ms; }
location /open { proxy_pass http://$http_x_target; }
location /weird { set $weird '<b>"quoted"&amp;<i>'; proxy_pass http://$weird; }
location = /html { upstream_502_status html; }
CONF2

sub start_shop () {
    $shop->tcp( shop => $ok, port => $t->port('shop') );
    $shop->start;
}

start_shop();
$t->start;
my $browser = Upstream502::Browser->new;
my $origin  = 'http://' . $t->address('http');

# All pages of this test, at the end of which none may have complained.
my @pages;

sub visit ( $uri = '/status', %options ) {
    push @pages, $browser->open( "$origin$uri", %options );
    return $pages[-1];
}

sub ask ($uri) {
    $t->get("$uri/$_") for 1 .. 5;
}

ask('/item');
my $page = visit();

subtest 'healthy, outage, recovered, without a touch' => sub {
    is $page->text('#headline'), 'No failures in the last hour', 'healthy';
    like $page->do('title'), qr/^No failures in the last hour/, 'and its tab';
    $page->shoot('healthy');

    $shop->stop;
    ask('/item');
    is $page->wait_text( '#headline', 'down' ), 'shop is down', 'outage';
    like $page->text('#lede'), qr/^connection refused.*since \d\d:\d\d:\d\d/,
      'why, and since when';
    like $page->text('.card .checks'), qr/^ss -Hltnp 'sport = :\d+'/,
      'what to check';
    $page->shoot('outage');

    start_shop();
    $clock->forward(70);
    ask('/item');
    $clock->forward(60);
    ask('/item');
    is $page->wait_text( '#headline', 'recovered' ), 'shop has recovered',
      'recovered';
    like $page->text('.card .summary'), qr/^Recovered: 5 of 20 attempts/,
      'and its card says so';
};

subtest 'events: search, filters, all their fields' => sub {
    ask('/search') for 1 .. 2;
    ask('/slow');
    $page->do( click => '#refresh' );
    $page->wait_text( '#events', '/slow/5' );
    my $shown = 'document.querySelectorAll("#events > li").length';
    is $page->eval("() => $shown"), 15, 'all events';
    $page->do( fill => '#search', '/slow/3' );
    is $page->eval("() => $shown"), 1, 'searched by URI';
    $page->do( fill => '#search', 'reset connection' );
    is $page->eval("() => $shown"), 5, 'by words of the message';
    $page->do( fill => '#search', 'no such thing' );
    is $page->eval("() => $shown"),    0,                'nothing fits';
    is $page->text('#no-events'),      'No event fits.', 'and it says so';
    is $page->do( click => '#clear' ), undef,            'cleared';
    $page->do( selectOption => '#filter-cause', 'read_timeout' );
    $page->wait("$shown === 5");
    like $page->text('#events'), qr{^(?:(?!/search|/item).)*$},
      'filtered by cause';
    is $page->text('#upstream-count'), '3 upstreams',
      'which filters the events alone';
    $page->do( click        => '#clear' );
    $page->do( selectOption => '#filter-upstream', 'search' );
    is $page->eval("() => $shown"), 5, 'by upstream';
    $page->do( click => '#clear' );
    $page->do( click => '#events summary >> nth=0' );
    my ($event) = @{ $t->status('limit=1')->{events} };
    my $body = '#events details[open] .body';
    $page->wait_text( $body, 'Request id' );
    my $text = $page->text($body);

    for my $key ( sort keys %$event ) {
        my $value = $event->{$key};
        next if !defined $value || ref $value || $key =~ /time|limit|bytes/;
        ok $text =~ /\Q$value\E/i, "$key: $value";
    }
    like $text, qr/Limit0\.050 s/, 'the limit, in its unit';
};

subtest 'upstreams: sort, drill down, a link that survives a reload' => sub {
    my $names = sub {
        return join ' ',
          @{ $page->do( texts => '.upstream .name' ) };
    };
    $page->eval('() => history.replaceState(null, "", "#")');
    $page->do( click => '#upstreams [data-sort=name] button' );
    like $names->(), qr/^127\S+ search shop$/, 'by name';
    $page->do( click => '#upstreams [data-sort=requests] button' );
    like $names->(), qr/^shop search 127\S+$/, 'by requests';
    $page->do( click => '.opener >> nth=1' );
    is_deeply $page->do( texts => 'table.peers th[scope=row]' ),
      [ $t->address('rst'), $t->address('fine') ], 'peers, the worst first';
    like $page->do('url'), qr/#.*upstream=search/, 'the address names it';

    my $linked = visit('/status#upstream=search');
    for my $name ( 'a link', 'a reload' ) {
        is $linked->text('.opener[aria-expanded=true]'), 'search',
          "$name opens it";
        $linked->do('reload');
    }
};

subtest 'the keyboard is enough' => sub {
    my $keys = visit();
    my $on   = sub { return $keys->eval('() => document.activeElement.id') };
    $keys->do( press => ('Tab') x 2, 'Enter' );
    is $on->(),               'pause', 'Tab reaches the buttons';
    like $keys->wait_text( '#freshness', 'Paused' ), qr/^Paused/, 'Enter presses';
    my $opened;
    for ( 1 .. 60 ) {
        $keys->do( press => 'Tab' );
        next
          if !$keys->eval(
            '() => document.activeElement.classList.contains("opener")');
        $keys->do( press => 'Enter' );
        $opened = $keys->do( isVisible => 'table.peers' );
        last;
    }
    ok $opened, 'an upstream opens';
    for ( 1 .. 60 ) {
        $keys->do( press => 'Tab' );
        last if $on->() eq 'search';
    }
    $keys->do( press => split //, 'slow' );
    is $keys->do( inputValue => '#search' ), 'slow', 'Tab reaches the search';
    for ( 1 .. 20 ) {
        $keys->do( press => 'Tab' );
        last if $keys->eval('() => document.activeElement.matches("summary")');
    }
    $keys->do( press => 'Enter' );
    ok $keys->wait('document.querySelector("#events details[open] .facts")'
          . ' !== null' ), 'and an event opens';
};

my @hostile = (
    '/<script>window.hacked=1</script>',
    '/<img/src=x/onerror="window.hacked=1">',
    q{/"'`><svg/onload=window.hacked=1>},
    "/\xff\xfe\xc3\x28\xed\xa0\x80",
    '/' . 'x' x 8000,
    '/?next=</pre></script><script>window.hacked=1</script>',
);

subtest 'what comes from outside is text' => sub {
    $t->get( "/bad$_", host => q{a&lt;b'} ) for @hostile;
    $t->get('/weird');
    $t->get( '/open', headers => ["X-Target: $_"] )
      for '<i>"x"&lt;', "\xff\xfe", 'n' x 3000;
    my $nasty = visit('/status');
    my $before = $nasty->eval(
        '() => document.querySelectorAll("script, img, iframe, pre").length');
    $nasty->eval( '() => document.querySelectorAll("summary, .opener")'
          . '.forEach((node) => node.click())' );
    $nasty->wait( '[...document.querySelectorAll("#events details")]'
          . '.every((node) => node.querySelector(".facts"))' );
    my $text = $nasty->text('#app');
    ok index( $text, $_ ) >= 0, "shown as it is: $_"
      for '<script>window.hacked=1</script>',
      '<img/src=x/onerror="window.hacked=1">', '<b>"quoted"&amp;<i>',
      '?next=</pre></script><script>', '<i>"x"&lt;', 'x' x 200, q{a&lt;b'};
    is $nasty->eval('() => window.hacked ?? "no"'), 'no', 'nothing ran';
    is $nasty->eval(
        '() => document.querySelectorAll("script, img, iframe, pre").length'),
      $before, 'nothing became an element';
    is $nasty->eval('() => document.querySelectorAll("main :is(i, b):not('
          . '.cause i, .key i, .key b, .where b)").length' ), 0,
      'not even a harmless one';
    ok $nasty->narrow, 'and nothing sticks out';
};

subtest 'sizes and schemes' => sub {
    for my $case ( [ 375, 'light' ], [ 375, 'dark' ], [ 2000, 'dark' ] ) {
        my ( $width, $scheme ) = @$case;
        my $sized = visit(
            '/status#upstream=search',
            colorScheme => $scheme,
            viewport    => { width => $width, height => 900 }
        );
        $sized->do( click => '#events summary >> nth=0' );
        $sized->wait('document.querySelector("#events .facts") !== null');
        ok $sized->narrow, "$width px, $scheme: no horizontal scroll";
        $sized->shoot("$width-$scheme");
    }
};

subtest 'without scripts there is the text report' => sub {
    my $plain = $browser->open( "$origin/status",
        javaScriptEnabled => JSON::PP::false );
    ok $plain->do( isVisible  => '#report' ), 'it is shown';
    ok !$plain->do( isVisible => '#app' ),    'alone';
    like $plain->text('#report'), qr/^upstream failures on /, 'whole';
    $plain->do('close');
};

subtest 'a location that answers with the page alone' => sub {
    my $html = visit('/html');
    ask('/only');
    $html->do( click => '#refresh' );
    ok $html->wait('document.querySelector("#numbers dd").textContent !== "0"'),
      'is read all the same';
    is $html->do( isHidden => '#problem' ), 1, 'without a problem';
};

subtest 'no page complained or asked elsewhere' => sub {
    for my $one (@pages) {
        my $seen = $one->do('seen');
        is_deeply $seen->{complaints}, [], 'nothing in the console';
        is_deeply $seen->{violations}, [], 'no violation of the policy';
        is_deeply [ grep { !/^(?:\Q$origin\E|data:)/ } @{ $seen->{requests} } ],
          [], 'no request elsewhere';
    }
};

subtest 'the server goes away and comes back' => sub {
    $t->nginx->stop;
    $page->do( click => '#refresh' );
    like $page->wait_text( '#problem', 'does not answer' ),
      qr/^Not up to date since \d\d:\d\d:\d\d: the server does not answer/,
      'it says so';
    ok $page->do( isVisible => '.upstream' ), 'and goes on showing what it had';
    $t->nginx->start;
    $page->do( click => '#refresh' );
    ok $page->wait('document.querySelector("#problem").hidden'),
      'it comes back';
};

$shop->stop;
$t->finish;
done_testing;
