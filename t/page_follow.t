#!/usr/bin/perl

# The open page is told of a failure when it happens; where nothing can tell it
# so, it asks by itself.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Browser;
use Upstream502::Test;

Upstream502::Browser->need;

my $t = Upstream502::Test->new;
$t->conf( server => <<'CONF' );
location /bad { proxy_pass http://%%closed%%; }
location /own { proxy_pass http://%%closed_own%%; }
location = /html { upstream_502_status html; }
location = /full {
    if ($arg_follow) { return 503; }
    upstream_502_status;
}
location = /buffered {
    proxy_pass http://127.0.0.1:%%PORT_http%%/status$is_args$args;
    proxy_set_header Host localhost;
    proxy_ignore_headers X-Accel-Buffering;
}
location = /count { access_log off; stub_status; }
CONF
$t->start;
my $browser = Upstream502::Browser->new;

sub visit ($uri) {
    return $browser->open( 'http://' . $t->address('http') . $uri );
}

# From here on it asks for nothing unless it is told of something new.
sub stop_asking ($page) {
    $page->wait('isFollowing() && !feed.loading');
    $page->eval('() => { clearTimeout(feed.timer); schedule = () => {}; }');
}

for my $uri (qw(/status /html)) {
    subtest "told at $uri" => sub {
        my $page = visit($uri);
        stop_asking($page);
        $t->get("/bad$uri");
        ok $page->wait_text( '#events', "/bad$uri" ), 'a failure shows';
        stop_asking($page);
        $t->get("/bad$uri/again");
        ok $page->wait_text( '#events', "/bad$uri/again" ), 'and another';
        $page->do( click => '#pause' );
        ok wait_for( 'it to leave', sub { $t->at_work == 0 } ),
          'who pauses does not follow';
        $page->do( click => '#pause' );
        ok $page->wait('isFollowing()'), 'and does when that is over';
        my $seen = $page->do('seen');
        is_deeply [ @$seen{qw(complaints violations)} ], [ [], [] ],
          'nothing is complained of';
        $page->do('close');
        ok wait_for( 'it to leave', sub { $t->at_work == 0 } ),
          'nor does a page that is closed';
    };
}

subtest 'only what the page is of' => sub {
    my $own  = $t->address('closed_own');
    my $page = visit("/status?upstream=$own");
    stop_asking($page);
    $page->eval( '() => { window.told = []; for (const type of ["failure", "incident"]) {'
          . ' stream.source.addEventListener(type, (e) => told.push(e.data)); } }' );
    my $other = visit('/status');
    stop_asking($other);
    $t->get('/bad/other');
    ok $other->wait_text( '#events', '/bad/other' ), 'another shows it';

    # What comes in order behind it is there: so nothing is on its way any more.
    $t->get('/own/later');
    ok $page->wait_text( '#events', '/own/later' ), 'this one what is its own';
    my @told = @{ $page->eval('() => told') };
    ok scalar( grep { m{/own/later} } @told ), 'of which it was told';
    is_deeply [ grep { !/\Q"upstream":"$own"/ } @told ], [], 'and of nothing else';
    $_->do('close') for $page, $other;
};

subtest 'a reload' => sub {
    my $page = visit('/status');
    stop_asking($page);
    my $before = $page->eval('() => stream.heardAt');
    $t->reload;
    ok $page->wait("stream.heardAt > $before"), 'it comes back';
    stop_asking($page);
    $t->get('/bad/reloaded');
    ok $page->wait_text( '#events', '/bad/reloaded' ), 'and is told on';
    $page->do('close');
};

for my $uri (qw(/full /buffered)) {
    subtest "not told at $uri" => sub {
        my $page = visit($uri);
        $t->get("/bad$uri");
        ok $page->wait_text( '#events', "/bad$uri" ), 'asks by itself';
        is $page->eval('() => isFollowing()'), 0, 'since nothing is told';
        $page->do('close');
    };
}

$t->finish;
done_testing;
