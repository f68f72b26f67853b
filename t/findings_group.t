#!/usr/bin/perl

# What nginx knows of a group when one of its servers has failed: why no other
# one was asked, and why none was live.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Backend qw(sequence);
use Upstream502::Runner;
use Upstream502::Wire;

my $OK    = answer( http_ok() );
my $CLOSE = [ 'read', 'close' ];
my $ONCE  = sequence( [ 'read', [ write => http_ok() ], 'read', 'close' ] );

# Two servers: the first, which nginx asks first, closes.
sub pair ( $conf, %row ) {
    return {
        site    => 'E5',
        b       => $CLOSE,
        b2      => $OK,
        http    => 'upstream %%u%% { server %%b%% weight=9; server %%b2%%; }',
        conf    => "$conf proxy_pass http://%%u%%;",
        finding => 'not_retried',
        %row,
    };
}

# Whose kept connections end with the next request, which then has nobody.
sub over_kept ( $servers, %row ) {
    return {
        b    => $ONCE,
        http => "upstream %%u%% { $servers keepalive 4; }",
        conf => "$KEEPALIVE proxy_pass http://%%u%%;",
        %row,
    };
}

play(
    [
        {
            name    => 'there is no other server',
            site    => 'E5',
            b       => $CLOSE,
            finding => 'not_retried',
            says    => 'the group has this one only$',
        },
        pair(
            'proxy_next_upstream timeout;',
            name => 'the case is not listed',
            says => 'proxy_next_upstream does not have "error"$',
        ),
        pair(
            '',
            name   => 'the method is not repeated',
            method => 'POST',
            body   => 'order',
            says   => '^no other server was asked: POST is not repeated',
        ),
        pair(
            'proxy_next_upstream_tries 1;',
            name => 'tries are used up',
            says => 'proxy_next_upstream_tries 1 is used up$',
        ),
        pair(
            'proxy_next_upstream error timeout;
                proxy_next_upstream_timeout 200ms; proxy_read_timeout 300ms;',
            name   => 'time is used up',
            site   => 'E6',
            b      => [ 'read', 'hold' ],
            status => 504,
            says   => 'proxy_next_upstream_timeout 200ms is used up$',
        ),
        pair(
            'proxy_request_buffering off;
                proxy_next_upstream error non_idempotent;',
            name   => 'the body was streamed',
            method => 'POST',
            body   => 'x' x 100_000,
            says   => 'was passed on as it came .*\(proxy_request_buffering off',
        ),
        pair(
            'proxy_request_buffering off;',
            name   => 'nothing was streamed of a request without a body',
            saved  => 1,
            unsaid => 'not_retried',
            finding => undef,
        ),
        {
            name => 'the response had begun',
            site => 'I1',
            b    => [
                'read',
                [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" ],
                'close'
            ],
            finding => 'not_retried',
            says    => 'the response was on its way to the client$',
        },
        {
            name => 'the upstream says 502 itself',
            site => 'H3',
            b    => answer( http_status(502) ),
            b2   => $OK,
            http => 'upstream %%u%% { server %%b%% weight=9; server %%b2%%; }',
            conf => 'proxy_pass http://%%u%%;',
            origin          => 'upstream',
            received_status => 502,
            finding         => 'not_retried',
            says            => 'does not have "http_502"$',
        },
        {
            name  => 'another server answers',
            site  => 'E5',
            b     => $CLOSE,
            b2    => $OK,
            http  => 'upstream %%u%% { server %%b%% weight=9; server %%b2%%; }',
            conf  => 'proxy_pass http://%%u%%;',
            saved => 1,
            unsaid => 'not_retried',
        },
        over_kept(
            'server %%b%% max_fails=0; server %%b2%% max_fails=0;',
            name    => 'each server was tried',
            sites   => [qw(E5b E5b B1d)],
            b2      => $ONCE,
            warmup  => 2,
            finding => 'peers_down',
            says    => [
                '%%b%% was tried by this request',
                '%%b2%% was tried by this request'
            ],
            lacks => 'failed|down',
        ),
        over_kept(
            'server %%b%% max_fails=0; server %%b2%% down;',
            name    => 'one was tried, one is down',
            sites   => [qw(E5b B1d)],
            b2      => $OK,
            warmup  => 1,
            finding => 'peers_down',
            says    => '^%%b%% was tried by this request, %%b2%% is marked down$',
        ),
        {
            name   => 'each server failed just now, and the last one says how',
            sites  => [qw(B11a B11a)],
            http   => 'upstream %%u%% { server 127.0.0.1:%%PORT_gone1%%;
                server 127.0.0.1:%%PORT_gone2%%; }',
            conf   => 'proxy_pass http://%%u%%;',
            unsaid => 'peers_down',
        },
        {
            name   => 'the group is not looked at where evidence is off',
            site   => 'B1a',
            http   => 'upstream %%u%% { server %%closed%% down; }',
            conf   => 'upstream_502_evidence off; proxy_pass http://%%u%%;',
            unsaid => 'peers_down',
        },
    ]
);
