#!/usr/bin/perl

# OpenResty's ngx.balancer by the real thing, Debian's Lua module: timeouts that
# a balancer sets are those that decide and are told, not the configured ones; a
# dead peer and then a live one; a balancer that throws; and sockets of Lua's,
# which are no upstream.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $folder = '/usr/lib/nginx/modules';
my @modules =
  map { "$folder/$_.so" } qw(ndk_http_module ngx_http_lua_module);
plan skip_all => "Debian's Lua module is not installed"
  if grep { !-e } @modules, '/usr/share/lua/5.1/ngx/balancer.lua';
plan skip_all => 'the Lua module belongs to another nginx'
  if ( $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' ) ne '/usr/sbin/nginx'
  || $ENV{TEST_LD_PRELOAD};

my $t = Upstream502::Test->new;
$t->tcp( ok    => [ 'read', [ write => http_last('fine') ], 'close' ] );
$t->tcp( mute  => [ 'read', 'hold' ] );
$t->tcp( stall => [
    'read', [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok" ], 'hold'
] );

# A balancer that runs `$lua` and then asks `$peer`, or a list of them in turn.
sub balancer ( $name, $lua, @peers ) {
    my $ports = join ', ', map { "%%PORT_$_%%" } @peers;
    my $more  = @peers - 1;
    return <<"CONF";
upstream $name { server 0.0.0.1; balancer_by_lua_block {
    local balancer = require "ngx.balancer"
    local ports = { $ports }
    local tries = (ngx.ctx.tries or 0) + 1
    ngx.ctx.tries = tries
    if tries == 1 and $more > 0 then balancer.set_more_tries($more) end
    $lua
    assert(balancer.set_current_peer("127.0.0.1", ports[tries]))
} }
CONF
}

my @cases = qw(read read_second body configured dead_live dead_dead);
$t->conf(
    modules => join( "\n", map { "load_module $_;" } @modules ),
    http    => join(
        "\n",
        balancer(
            read => 'assert(balancer.set_timeouts(nil, nil, 0.4))', 'mute'
        ),
        balancer(
            read_second =>
              'assert(balancer.set_timeouts(2, 3, tries == 1 and 2 or 0.4))',
            'nobody', 'mute'
        ),
        balancer(
            body => 'assert(balancer.set_timeouts(nil, nil, 0.4))', 'stall'
        ),
        balancer( configured => '', 'mute' ),
        balancer( dead_live  => '', 'nobody', 'ok' ),
        balancer( dead_dead  => '', 'nobody', 'nobody' ),
        'upstream throws { server 0.0.0.1; balancer_by_lua_block {
            error("no idea") } }',
        'upstream silent { server 127.0.0.1:%%PORT_nobody%%;
            balancer_by_lua_block { return } }',
    ),
    server => join(
        "\n",
        'proxy_read_timeout 60s;',
        'location = /configured { proxy_read_timeout 700ms;
            proxy_pass http://configured; }',
        map( { "location = /$_ { proxy_pass http://$_; }" }
            grep { $_ ne 'configured' } @cases, qw(throws silent) ),
        'location = /cosocket { content_by_lua_block {
            local socket = ngx.socket.tcp()
            socket:settimeout(300)
            local ok, err = socket:connect("127.0.0.1", %%PORT_nobody%%)
            ngx.say(err)
            ok, err = socket:connect("127.0.0.1", %%PORT_mute%%)
            socket:send("GET / HTTP/1.0\r\n\r\n")
            ok, err = socket:receive()
            ngx.say(err)
        } }',
        'location = /cosocket-502 { content_by_lua_block {
            local socket = ngx.socket.tcp()
            if not socket:connect("127.0.0.1", %%PORT_nobody%%) then
                ngx.exit(502)
            end
        } }',
    ),
);
$t->start;

subtest 'set_timeouts' => sub {
    my $p = $t->observe('/read');
    is $p->{r}{status},           504,            'client status';
    is $p->{row}{upstream_502_cause}, 'read_timeout', 'cause';
    like $p->{row}{upstream_502_hint}, qr/proxy_read_timeout 400ms ran out/,
      'the timeout that the balancer set';
    unlike $p->{row}{upstream_502_hint}, qr/60s/, 'not the configured one';

    $p = $t->observe('/read_second');
    is $p->{row}{upstream_502_causes}, 'connection_refused, read_timeout',
      'the second try';
    like $p->{row}{upstream_502_hint}, qr/proxy_read_timeout 400ms ran out/,
      'what was set for it';

    $p = $t->observe('/body');
    is $p->{row}{upstream_502_cause}, 'body_timeout', 'within the body';
    like $p->{row}{upstream_502_hint}, qr/proxy_read_timeout 400ms ran out/,
      'the same';

    $p = $t->observe('/configured');
    like $p->{row}{upstream_502_hint}, qr/proxy_read_timeout 700ms ran out/,
      'where it sets none, the configured one';
};

subtest 'set_more_tries and set_current_peer' => sub {
    my $p = $t->observe('/dead_live');
    is $p->{r}{status},                 200,                     'client status';
    is $p->{row}{upstream_502_causes},  'connection_refused, -', 'causes';
    is $p->{row}{upstream_502_rescued}, 1,                       'rescued';
    is $p->{gained}->( \'dead_live', 'attempts' ), 2, 'both are counted';
    my %addrs = map { $_->{addr} => $_ } @{ $t->upstream('dead_live')->{peers} };
    is $addrs{ $t->expand('127.0.0.1:%%PORT_nobody%%') }{failures}, 1,
      'by the address that Lua chose';

    $p = $t->observe('/dead_dead');
    is $p->{r}{status}, 502, 'no more tries';
    is $p->{row}{upstream_502_causes}, 'connection_refused, connection_refused',
      'causes';
    is $p->{gained}->( \'dead_dead', 'responses', 502 ), 1, 'one response';
};

subtest 'a balancer that throws' => sub {
    my $p = $t->observe('/throws');
    is $p->{r}{status},                500,     'client status';
    is $p->{row}{upstream_502},        1,       'a gateway response';
    is $p->{row}{upstream_502_origin}, 'nginx', 'of nginx';
    is $p->{gained}->( 'totals', 'responses', 500 ), 1, 'counted once';
};

subtest 'a balancer that chooses nothing' => sub {
    my $p = $t->observe('/silent');
    is $p->{r}{status}, 502, 'client status';
    is $p->{row}{upstream_502_causes}, 'connection_refused',
      'the group chooses then';
};

subtest 'sockets of Lua' => sub {
    my $p = $t->observe('/cosocket');
    is $p->{r}{body}, "connection refused\ntimeout\n", 'both fail';
    is $p->{row}{upstream_502_cause},          '-', 'no attempt of nginx';
    is $p->{gained}->( 'totals', 'attempts' ), 0,   'nothing is counted,';
    is $p->{gained}->( 'totals', 'failures' ), 0,   'and nothing failed';
    $p = $t->observe('/cosocket-502');
    is $p->{row}{upstream_502_origin}, 'config', 'a 502 that Lua makes of it';
    is $p->{gained}->( 'totals', 'failures' ), 0, 'is no failure either';
};

$t->finish;
done_testing;
