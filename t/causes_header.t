#!/usr/bin/perl

# proxy_pass over plain HTTP: the header, reused connections, retries.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Backend qw(sequence);
use Upstream502::Runner;
use Upstream502::Wire;

my $BEGUN   = "HTTP/1.1 200 OK\r\nX: y\r\n";
my $OK      = answer( http_ok() );
my $ONCE    = [ 'read', [ write => http_ok() ], 'read', 'close' ];
my $SILENT  = [ 'read', 'hold' ];
my $TOO_BIG = answer( http_ok( 'ok', 'X-Big: ' . 'x' x 5000 ) );
my $BUFFERS = 'proxy_buffer_size 4k; proxy_buffers 4 4k;';
my @ORDER   = ( method => 'POST', body => 'order' );

# One of several servers: the first always gets the request first.
sub two (%row) {
    return {
        http => 'upstream %%u%% { server %%b%%; server %%b2%% backup; }',
        conf => ( delete $row{directives} // '' ) . ' proxy_pass http://%%u%%;',
        b2   => $OK,
        %row,
    };
}

# Requests on a connection that has served one already.
sub cached (%row) {
    return {
        http   => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf   => "$KEEPALIVE proxy_pass http://%%u%%;",
        warmup => 1,
        reused => 1,
        %row,
    };
}

# Accepted by old versions.
my $TWO     = 'Content-Length: 2';
my $CHUNKED = 'Transfer-Encoding: chunked';

sub invalid_length ( $site, $name, @headers ) {
    return {
        name => $name,
        site => $site,
        b    => answer( join "\r\n", 'HTTP/1.1 200 OK', @headers, '', 'ok' ),
    };
}

my @header = (
    {
        name   => 'closed without a response',
        site   => 'E5',
        b      => [ 'read', 'close' ],
        peer   => '%%b%%',
        reused => 0,
    },
    {
        name => 'reset without a response',
        site => 'E1',
        b    => [ 'read', 'rst' ],
    },
    {
        name => 'closed without a response, unix socket',
        site => 'E5',
        b    => [ 'read', 'close' ],
        unix => 1,
        peer => '%%b%%',
    },
    {
        name => 'closed inside the header',
        site => 'E5c',
        b    => answer($BEGUN),
    },
    {
        name => 'closed inside the header, with a cache',
        site => 'E5c',
        b    => answer($BEGUN),
        http => 'proxy_cache_path %%DIR%%/header-cache keys_zone=%%u%%:1m;',
        conf => "proxy_cache %%u%%; $PASS",
    },
    {
        name => 'reset inside the header',
        site => 'E1c',
        b    => [ 'read', [ write => $BEGUN ], [ pause => 0.1 ], 'rst' ],
    },
    {
        name   => 'no answer in time',
        site   => 'E6',
        b      => $SILENT,
        conf   => "proxy_read_timeout 300ms; $PASS",
        status => 504,
    },
    {
        name   => 'half a header in time',
        site   => 'E6',
        b      => [ 'read', [ write => "HTTP/1.1 200 OK\r\n" ], 'hold' ],
        conf   => "proxy_read_timeout 300ms; $PASS",
        status => 504,
    },
    {
        name    => 'a header larger than the buffer',
        site    => 'E7',
        b       => $TOO_BIG,
        conf    => "$BUFFERS $PASS",
        finding => 'header_size',
        says    => 'has 5\d\d\d bytes, proxy_buffer_size is 4k: '
          . 'proxy_buffer_size 8k suffices$',
    },
    {
        name   => 'a header without an end',
        site   => 'E7',
        b      => [ 'read', [ write => "HTTP/1.1 200 OK\r\n" . "X-A: b\r\n" x 20_000 ], 'hold' ],
        conf   => "$BUFFERS $PASS",
        unsaid => 'header_size',
    },
    {
        name => 'a space in a header name',
        site => 'E12',
        b    => answer( http_ok( 'ok', 'Bad Header: x' ) ),
    },
    {
        name => 'an invalid header longer than a log line',
        site => 'E12',
        b    => answer( http_ok( 'ok', 'x' x 3000 . "\0: y" ) ),
    },
    {
        name => 'a NUL in a header value',
        site => 'E12',
        b    => answer( http_ok( 'ok', "X: a\0b" ) ),
    },
    {
        name => 'an HTTP/1.0 response with early hints',
        site => 'E11',
        b    => answer("HTTP/1.0 103 Early\r\n\r\n"),
    },
    invalid_length( E13 => 'Content-Length twice', 'Content-Length: 3', $TWO ),
    invalid_length( E14 => 'both lengths, chunked first', $CHUNKED,     $TWO ),
    invalid_length( E15 => 'a length that is none', 'Content-Length: -2' ),
    invalid_length(
        E16 => 'Transfer-Encoding twice',
        $CHUNKED, $CHUNKED, $TWO
    ),
    invalid_length( E17 => 'both lengths, chunked last', $TWO, $CHUNKED ),
    invalid_length(
        E18 => 'an unknown coding',
        'Transfer-Encoding: gzip, chunked', $TWO
    ),
    {
        name => 'Date twice is told and passed',
        site => 'E19',
        b    => answer( http_ok( 'ok', 'Date: a', 'Date: b' ) ),
    },
    {
        name => 'early hints larger than the buffer',
        site => 'E20',
        b    => answer(
            "HTTP/1.1 103 Early\r\nX: @{[ 'x' x 2000 ]}\r\n\r\n" x 3,
            http_ok()
        ),
        conf => "$BUFFERS $PASS",
    },
    {
        name    => '100 is taken for the final response',
        site    => 'E21',
        b       => answer( "HTTP/1.1 100 Continue\r\n\r\n", http_ok() ),
        status  => 100,
        outcome => 'open',
    },
    {
        name    => 'no HTTP at all, passed on as HTTP/0.9',
        site    => 'E10',
        b       => answer("SSH-2.0-OpenSSH_9.2p1\r\n"),
        status  => 9,
        outcome => 'open',
        passed  => 1,
    },
    {
        name    => 'an application that writes a status line of its own kind',
        site    => 'E10',
        b       => answer("HTTP/1.1 OK 200\r\nContent-Length: 2\r\n\r\nok"),
        status  => 9,
        outcome => 'open',
        passed  => 1,
    },
    {
        name    => 'no HTTP at all, then a reset',
        site    => 'E10',
        b       => [ 'read', [ write => "-ERR unknown command\r\n" ], 'rst' ],
        status  => 9,
        outcome => 'open',
        passed  => 1,
    },
);

my @reused = (
    cached(
        name  => 'closed on reuse: GET is saved',
        site  => 'E5b',
        b     => sequence( $ONCE, $OK ),
        saved => 1,
    ),
    cached(
        name  => 'closed on reuse, kept without being told to',
        not_in => 'angie',
        site  => 'E5b',
        since => '1.29.7',
        b     => sequence( $ONCE, $OK ),
        http  => 'upstream %%u%% { server %%b%%; }',
        conf  => 'proxy_pass http://%%u%%;',
        saved => 1,
    ),
    cached(
        name => 'closed on reuse: POST is not',
        site => 'E5b',
        b    => $ONCE,
        @ORDER,
    ),
    cached(
        name => 'reset on reuse',
        site => 'E1b',
        b    => [ 'read', [ write => http_ok() ], 'read', 'rst' ],
        @ORDER,
    ),
    cached(
        name => 'closed inside the header on reuse is no race',
        site => 'E5c',
        b    => [
            'read', [ write => http_ok() ],
            'read', [ write => "HTTP/1.1 2" ],
            'close'
        ],
        @ORDER,
    ),
);

my @status = (
    {
        name            => 'the upstream says 502',
        site            => 'H3',
        b               => answer( http_status(502) ),
        origin          => 'upstream',
        received_status => 502,
    },
    {
        name            => 'the upstream says 504',
        site            => 'H3',
        b               => answer( http_status(504) ),
        status          => 504,
        origin          => 'upstream',
        received_status => 504,
    },
    {
        name   => 'the upstream says 503, nobody retries',
        b      => answer( http_status(503) ),
        status => 503,
    },
    {
        name    => 'the upstream says 500: its own affair',
        b       => answer( http_status(500) ),
        status  => 500,
        gateway => 0,
    },
    {
        name    => 'the upstream says 502 and breaks off',
        b       => answer("HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\nab"),
        outcome => 'cut',
        cause   => 'error_status',
        phase   => 'header',
        origin  => 'upstream',
        received_status => 502,
    },
    {
        name => 'the upstream says 502, intercepted',
        site => 'H4',
        b    => answer( http_status(502) ),
        conf => "proxy_intercept_errors on; error_page 502 %%loc%%page;
            $PASS",
        server => 'location = %%loc%%page { internal; return 200 sorry; }',
        origin => 'upstream',
        received_status => 502,
    },
    map {
        two(
            name            => "the upstream says $_, retried",
            site            => $_ == 502 ? 'H1' : 'H2',
            b               => answer( http_status($_) ),
            directives      => "proxy_next_upstream http_$_;",
            saved           => 1,
            peer            => '%%b%%',
            received_status => $_,
        )
    } ( 502, 500, 503, 504, 403, 404, 429 ),
);

my @retry = (
    two(
        name  => 'refused, then answered',
        site  => 'B11a',
        http  => 'upstream %%u%% { server %%closed%%; server %%b2%% backup; }',
        saved => 1,
        peer  => '%%closed%%',
    ),
    {
        name  => 'reset, closed, then answered',
        sites => [qw(E1 E5)],
        b     => [ 'read', 'rst' ],
        b2    => [ 'read', 'close' ],
        b3    => $OK,
        http  => 'upstream %%u%% { server %%b%% weight=2; server %%b2%%;
            server %%b3%% backup; }',
        conf  => 'proxy_pass http://%%u%%;',
        saved => 1,
        peer  => '%%b2%%',
    },
    two(
        name       => 'a timeout, then a header too big',
        sites      => [qw(E6 E7)],
        b          => $SILENT,
        b2         => $TOO_BIG,
        directives => "proxy_read_timeout 300ms; $BUFFERS",
        peer       => '%%b2%%',
    ),
    two(
        name => 'POST is not sent twice',
        site => 'E1',
        b    => [ 'read', 'rst' ],
        @ORDER,
        peer => '%%b%%',
    ),
);

play( [ @header, @reused, @status, @retry ] );
