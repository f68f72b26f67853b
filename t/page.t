#!/usr/bin/perl

# The page as a browser shows it: with chromium alone what it says of a real
# server, with playwright-core (found through NODE_PATH or npm's global folder)
# everything that t/lib/page_check.js does to it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test;

my $chromium = $ENV{CHROMIUM} // '/usr/bin/chromium';
plan skip_all => "no $chromium" unless -x $chromium;

my $t = Upstream502::Test->new;
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream dead { server %%closed%%; }
CONF
location / { proxy_pass http://dead; }
location = /html { upstream_502_status html; }
CONF2
$t->start;
$t->get("/<script>$_") for 1 .. 5;

sub shown ($uri) {
    my $url = 'http://' . $t->address('http') . $uri;
    my @command = (
        $chromium,
        qw(--headless --no-sandbox --disable-gpu --no-first-run
          --disable-background-networking --disable-component-update
          --disable-sync --virtual-time-budget=2000 --dump-dom),
        '--user-data-dir=' . $t->dir . '/profile',
        $url
    );
    open my $pipe, '-|', "timeout 60 @{[ map { quotemeta } @command ]} 2>&1"
      or die "$chromium: $!";
    local $/ = undef;
    return scalar readline $pipe;
}

for my $uri ( '/status', '/html' ) {
    my $dom = shown($uri);
    like $dom, qr{<h1 id="headline">dead is down</h1>}, "$uri: the verdict";
    like $dom, qr{<code>ss -ltnp}, "$uri: what to check";
    like $dom, qr{<summary>.*?connection refused}s, "$uri: the events";
    unlike $dom, qr{<script>\d}, "$uri: what clients sent is text";
}

SKIP: {
    my $modules = $ENV{NODE_PATH} // qx{npm root -g 2>/dev/null} // '';
    chomp $modules;
    local $ENV{NODE_PATH} = $modules;
    local $ENV{CHROMIUM}  = $chromium;
    skip 'no playwright-core', 1
      if system("node -e 'require(\"playwright-core\")' 2>/dev/null") != 0;
    my $url    = 'http://' . $t->address('http') . '/status';
    my $output = qx{node $FindBin::Bin/lib/page_check.js $url 2>&1};
    is $?, 0, 'everything in t/lib/page_check.js' or diag $output;
}

$t->finish;
done_testing;
