#!/usr/bin/perl

# The page in a real browser, before a real nginx whose backends come and go
# while the page is open. Screenshots are left in build/screenshots.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use Test::More;
use Upstream502::Browser;
use Upstream502::Clock;
use Upstream502::Test;

if ( my $reason = Upstream502::Browser->missing ) {
    plan skip_all => $reason;
}
plan skip_all => 'the same without sanitizers' if $ENV{TEST_NGINX_ASAN};

my $shots = "$FindBin::Bin/../build/screenshots";
make_path $shots;

my $t     = Upstream502::Test->new;
my $clock = Upstream502::Clock->new( $t->dir );
my $ok    = [ 'read', [ write => "HTTP/1.1 200 OK\r\n\r\nok" ] ];
my $shop  = Upstream502::Backend->new( $t->dir );
$t->port('shop');
$t->tcp( slow => [ 'read', 'hold' ] );
$t->tcp( fine => $ok );
$t->tcp( rst  => [ 'read', 'rst' ] );
$t->tcp(
    big => [
        'read', [ write => "HTTP/1.1 200 OK\r\nX: " . 'x' x 6000 . "\r\n\r\n" ]
    ]
);
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream shop { server %%shop%%; }
upstream search { server %%fine%%; server %%rst%% max_fails=0; }
upstream reports { server %%slow%%; }
upstream accounts { server %%big%%; }
CONF
location / { proxy_pass http://shop; }
location /search { proxy_pass http://search; proxy_next_upstream off; }
location /reports {
    proxy_pass http://reports; proxy_read_timeout 100ms;
    proxy_next_upstream off;
}
location /accounts { proxy_pass http://accounts; proxy_next_upstream off; }
CONF2

sub start_shop () {
    $shop->tcp( shop => $ok, port => $t->port('shop') );
    $shop->start;
}

start_shop();
$t->start;
my $browser = Upstream502::Browser->new;
my $url     = 'http://' . $t->address('http') . '/status';

$t->get("/item/$_") for 1 .. 5;
my $page = $browser->open($url);

sub shoot ( $on, $name ) {
    $on->do( screenshot =>
          { path => "$shots/$name.png", fullPage => JSON::PP::true } );
}

subtest 'healthy, outage, recovered, without a touch' => sub {
    is $page->text('#headline'), 'No failures in the last hour', 'healthy';
    shoot( $page, 'healthy' );

    $shop->stop;
    $t->get("/item/$_") for 1 .. 5;
    is $page->wait_text( '#headline', 'down' ), 'shop is down', 'outage';
    shoot( $page, 'outage' );

    start_shop();
    $clock->forward(70);
    $t->get("/item/$_") for 1 .. 5;
    $clock->forward(60);
    $t->get("/item/$_") for 1 .. 5;
    like $page->wait_text( '#headline', 'recovered' ), qr/^shop has recovered/,
      'recovered';
    shoot( $page, 'recovered' );
};

$t->get("/search/$_")   for 1 .. 12;
$t->get("/reports/$_")  for 1 .. 4;
$t->get("/accounts/$_") for 1 .. 4;
$shop->stop;
$t->get("/item/$_") for 1 .. 4;
$page->do( click => '#refresh' );
$page->wait_text( '#headline', 'down' );
$page->do( click => '.opener >> nth=0' );
$page->do( click => '#events summary >> nth=0' );
shoot( $page, 'mixed' );
my $hash = '#upstream=shop';
for my $scheme (qw(dark light)) {
    my $other = $browser->open( "$url$hash", colorScheme => $scheme );
    shoot( $other, "mixed-$scheme" );
    $other->do('close');
    $other = $browser->open(
        "$url$hash",
        colorScheme => $scheme,
        viewport    => { width => 375, height => 800 }
    );
    shoot( $other, "phone-$scheme" );
    $other->do('close');
}
$t->finish;
$shop->stop;
done_testing;
