#!/usr/bin/perl

# Other modules in the same nginx: Lua, echo and headers-more of Debian, loaded
# before and after ours. They make subrequests, log lines that look like ours,
# and answers of their own.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $folder  = '/usr/lib/nginx/modules';
my @modules = map { "$folder/$_.so" }
  qw(ndk_http_module ngx_http_lua_module ngx_http_echo_module
  ngx_http_headers_more_filter_module);
plan skip_all => "the modules are not installed in $folder"
  if grep { !-e } @modules;
plan skip_all => 'the modules belong to another nginx'
  if ( $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' ) ne '/usr/sbin/nginx'
  || $ENV{TEST_LD_PRELOAD};

my $LOAD = join "\n", map { "load_module $_;" } @modules;

my $SERVER = <<'CONF';
location = /dead { proxy_pass http://dead; }
location = /ok { proxy_pass http://good; }
location = /capture { content_by_lua_block {
    local res = ngx.location.capture("/dead")
    ngx.say("captured ", res.status)
} }
location = /capture-multi { content_by_lua_block {
    local a, b = ngx.location.capture_multi({ { "/dead" }, { "/ok" } })
    ngx.say(a.status, " ", b.status)
} }
location = /lua502 { content_by_lua_block { ngx.exit(502) } }
location = /imitation { access_by_lua_block {
    ngx.log(ngx.ERR, "connect() failed (111: Connection refused)")
} proxy_pass http://good; }
location = /imitation-header { header_filter_by_lua_block {
    ngx.log(ngx.ERR, "upstream prematurely closed connection")
} proxy_pass http://good; }
location = /imitation-reset { access_by_lua_block {
    ngx.log(ngx.ERR, "no live upstreams")
} proxy_pass http://reset; }
location = /balancer { proxy_pass http://balanced; }
location = /balancer-error { proxy_pass http://balancer_error; }
location = /variable { set $cause ""; log_by_lua_block {
    ngx.log(ngx.WARN, "lua saw ", ngx.var.upstream_502_cause)
} proxy_pass http://dead; }
location = /exec { rewrite_by_lua_block { return ngx.exec("/dead") } }
location = /echo { echo_location /dead; }
location = /echo-async { echo_location_async /dead; echo_location_async /ok; }
location = /more { more_set_headers -s 502 "X-More: $upstream_502_cause";
    proxy_pass http://dead; }
CONF

my $HTTP = <<'CONF';
upstream dead { server 127.0.0.1:%%PORT_nobody%%; }
upstream reset { server %%rst%%; }
upstream good { server %%ok%%; }
upstream balanced { server 0.0.0.1; balancer_by_lua_block {
    local balancer = require "ngx.balancer"
    if not ngx.ctx.tried then
        ngx.ctx.tried = true
        balancer.set_more_tries(1)
        balancer.set_current_peer("127.0.0.1", %%PORT_nobody%%)
    else
        balancer.set_current_peer("127.0.0.1", %%PORT_ok%%)
    end
} }
upstream balancer_error { server 0.0.0.1; balancer_by_lua_block {
    ngx.exit(ngx.ERROR)
} }
CONF

for my $order (qw(before after)) {
    my $t = Upstream502::Test->new;
    $t->tcp( ok => [ 'read', [ write => http_last('fine') ], 'close' ] );
    $t->tcp( rst => [ 'read', 'rst' ] );
    $t->conf(
        modules => $LOAD,
        order   => $order,
        http    => $HTTP,
        server  => $SERVER
    );
    $t->start;

    subtest "$order: subrequests" => sub {
        my %lines = (
            '/capture'       => "captured 502\n",
            '/capture-multi' => "502 200\n",
        );
        for my $uri ( '/capture', '/capture-multi', '/echo', '/echo-async' ) {
            my $p = $t->observe( $uri );
            is $p->{r}{status},         200,             "$uri: client status";
            is $p->{r}{body},           $lines{$uri},    'body' if $lines{$uri};
            is $p->{row}{upstream_502}, '-',             'no gateway response';
            is $p->{gained}->( \'dead', 'failures' ), 1, 'the failure is counted';
            is $p->{gained}->( 'totals', 'responses', 502 ), 0, 'no 502';
        }
    };

    subtest "$order: lines that look like failures" => sub {
        for my $uri (qw(/imitation /imitation-header)) {
            my $p = $t->observe( $uri );
            is $p->{r}{status},                        200, "$uri: client status";
            is $p->{row}{upstream_502_cause},          '-', 'nothing failed';
            is $p->{gained}->( 'totals', 'failures' ), 0,   'nothing is counted';
        }
        my $p = $t->observe( '/imitation-reset' );
        is $p->{row}{upstream_502_cause}, 'reset_before_response',
          'the real cause';
    };

    subtest "$order: a balancer in Lua" => sub {
        my $p = $t->observe( '/balancer' );
        is $p->{r}{status},                 200, 'client status';
        is $p->{row}{upstream_502_causes},  'connection_refused, -', 'causes';
        is $p->{row}{upstream_502_rescued}, 1,                       'rescued';
        $p = $t->observe( '/balancer-error' );
        is $p->{r}{status},                500,     'a balancer that gives up';
        is $p->{row}{upstream_502},        1,       'is a gateway response';
        is $p->{row}{upstream_502_origin}, 'nginx', 'of nginx';
        is $p->{gained}->( 'totals', 'responses', 500 ), 1, 'one 500';
    };

    subtest "$order: the rest" => sub {
        my $p = $t->observe( '/lua502' );
        is $p->{row}{upstream_502_origin}, 'config',        'a 502 that Lua made';
        is $p->{gained}->( 'totals', 'responses', 502 ), 1, 'is counted';
        $p = $t->observe( '/exec' );
        is $p->{row}{upstream_502_cause}, 'connection_refused', 'ngx.exec';
        $p = $t->observe( '/more' );
        is $p->{r}{headers}{ 'x-more' }, 'connection_refused', 'headers-more';
        $t->observe( '/variable' );
        like $t->error_log, qr/lua saw connection_refused/,
          'Lua can read the variables';
    };
    $t->finish;
}

done_testing;
