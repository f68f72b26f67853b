#!/usr/bin/perl

# The page for those who use it with other eyes and hands: axe-core finds
# nothing serious, in either scheme, on a desk or a phone, with cards, peers
# and an event open. Screenshots are left in build/screenshots.

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
$t->tcp( slow => [ 'read', 'hold' ] );
$t->tcp(
    big => [
        'read', [ write => "HTTP/1.1 200 OK\r\nX: " . 'x' x 9000 . "\r\n\r\n" ]
    ]
);
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream accounts { server %%big%%; }
upstream shop { server %%closed%%; server %%closed2%%; }
upstream search { server %%fine%%; server %%rst%% max_fails=0; }
upstream images { server %%fine%%; }
CONF
large_client_header_buffers 4 16k;
location /accounts { proxy_pass http://accounts; }
location /shop { proxy_pass http://shop; }
location /search { proxy_pass http://search; }
location /images { proxy_pass http://images; }
location /slow { proxy_pass http://%%slow%%; proxy_read_timeout 50ms; }
CONF2
$t->start;

my $browser = Upstream502::Browser->new;
my $url     = 'http://' . $t->address('http') . '/status';

my %modes = (
    light => { colorScheme => 'light' },
    dark  => { colorScheme => 'dark' },
    phone => {
        colorScheme => 'light',
        viewport    => { width => 375, height => 800 }
    },
    'dark-phone' => {
        colorScheme => 'dark',
        viewport    => { width => 375, height => 800 }
    },
);

sub is_accessible ( $page, $what ) {
    is_deeply $page->do( axe => [qw(serious critical)] ), [], $what;
}

subtest 'nothing is wrong' => sub {
    $t->get("/images/$_") for 1 .. 3;
    for my $mode (qw(light dark)) {
        my $page = $browser->open( $url, %{ $modes{$mode} } );
        is_accessible( $page, $mode );
        $page->do('close');
    }
};

for my $path (qw(accounts shop search slow)) {
    $t->get("/$path/$_") for 1 .. 6;
}

$t->get( '/accounts/' . 'x' x 8000 );

subtest 'much is wrong' => sub {
    for my $mode ( sort keys %modes ) {
        my $page = $browser->open( $url, %{ $modes{$mode} } );
        is_accessible( $page, $mode );
        $page->do( click => '.opener >> nth=0' );
        $page->do( click => '#minutes summary' );
        $page->do( click => '#pause' );
        $page->do( click => '.key >> nth=0' );
        $page->do( click => '#events summary >> nth=0' );
        $page->wait('document.querySelector("#events .facts") !== null');
        is_accessible( $page, "$mode, with everything open" );
        $page->shoot("open-$mode");
        $page->do('close');
    }
};

subtest 'what axe finds would be seen' => sub {
    my $page = $browser->open($url);
    $page->eval( '() => { document.querySelector("#search").closest("label")'
          . '.replaceWith(document.createElement("input")); }' );
    like join( "\n", @{ $page->do( axe => ['critical'] ) } ),
      qr/critical label/, 'an input without a name';
};

$t->finish;
done_testing;
