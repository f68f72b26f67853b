# proxy_pass over plain HTTP: the header, reused connections, retries.

package Upstream502::Scenarios::Proxy;

use v5.36;

use Upstream502::Backend qw(sequence);
use Upstream502::Wire;

my $PASS      = 'proxy_pass http://%%b%%;';
my $KEEPALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";';

my $OK     = [ 'read', [ write => http_ok() ], 'close' ];
my $SILENT = [ 'read', 'hold' ];

sub answer (@bytes) { return [ 'read', [ write => @bytes ], 'close' ] }

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
        cause  => 'keepalive_race',
        phase  => 'header',
        %row,
    };
}

my @header = (
    {
        name     => 'closed without a response',
        site     => 'E5',
        b        => [ 'read', 'close' ],
        conf     => $PASS,
        cause    => 'closed_before_response',
        phase    => 'header',
        peer     => '%%b%%',
        message  => qr/^upstream prematurely closed connection$/,
        reused   => 0,
        protocol => 'http',
    },
    {
        name    => 'reset without a response',
        site    => 'E1',
        b       => [ 'read', 'rst' ],
        conf    => $PASS,
        cause   => 'reset_before_response',
        phase   => 'header',
        errno   => 104,
        message => qr/^recv\(\) failed \(104: Connection reset by peer\)$/,
    },
    {
        name  => 'closed without a response, unix socket',
        site  => 'E5',
        b     => [ 'read', 'close' ],
        unix  => 1,
        conf  => $PASS,
        cause => 'closed_before_response',
        phase => 'header',
        peer  => '%%b%%',
    },
    {
        name  => 'closed inside the header',
        site  => 'E5c',
        b     => answer("HTTP/1.1 200 OK\r\nX: y\r\n"),
        conf  => $PASS,
        cause => 'header_incomplete',
        phase => 'header',
    },
    {
        name => 'closed inside the header, with a cache',
        site => 'E5c',
        b    => answer("HTTP/1.1 200 OK\r\nX: y\r\n"),
        http => 'proxy_cache_path %%DIR%%/header-cache keys_zone=%%u%%:1m;',
        conf => "proxy_cache %%u%%; $PASS",
        cause => 'header_incomplete',
        phase => 'header',
    },
    {
        name => 'reset inside the header',
        site => 'E1c',
        b    => [
            'read',           [ write => "HTTP/1.1 200 OK\r\nX: y\r\n" ],
            [ pause => 0.1 ], 'rst'
        ],
        conf  => $PASS,
        cause => 'header_incomplete',
        phase => 'header',
        errno => 104,
    },
    {
        name    => 'no answer in time',
        site    => 'E6',
        b       => $SILENT,
        conf    => "proxy_read_timeout 300ms; $PASS",
        status  => 504,
        cause   => 'read_timeout',
        phase   => 'header',
        errno   => 110,
        message => qr/^upstream timed out \(110: Connection timed out\)$/,
    },
    {
        name   => 'half a header in time',
        site   => 'E6',
        b      => [ 'read', [ write => "HTTP/1.1 200 OK\r\n" ], 'hold' ],
        conf   => "proxy_read_timeout 300ms; $PASS",
        status => 504,
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
    },
    {
        name    => 'a header larger than the buffer',
        site    => 'E7',
        b       => answer( http_ok( 'ok', 'X-Big: ' . 'x' x 5000 ) ),
        conf    => "proxy_buffer_size 4k; proxy_buffers 4 4k; $PASS",
        cause   => 'header_too_big',
        phase   => 'header',
        message => qr/^upstream sent too big header$/,
    },
    {
        name    => 'a space in a header name',
        site    => 'E12',
        b       => answer( http_ok( 'ok', 'Bad Header: x' ) ),
        conf    => $PASS,
        cause   => 'header_invalid',
        phase   => 'header',
        message => qr/^upstream sent invalid header/,
    },
    {
        name  => 'an invalid header longer than a log line',
        site  => 'E12',
        b     => answer( http_ok( 'ok', 'x' x 3000 . "\0: y" ) ),
        conf  => $PASS,
        cause => 'header_invalid',
        phase => 'header',
    },
    {
        name  => 'a NUL in a header value',
        site  => 'E12',
        b     => answer( http_ok( 'ok', "X: a\0b" ) ),
        conf  => $PASS,
        cause => 'header_invalid',
        phase => 'header',
    },
    {
        name  => 'an HTTP/1.0 response with early hints',
        site  => 'E11',
        since => '1.29.0',
        b     => answer("HTTP/1.0 103 Early\r\n\r\n"),
        conf  => $PASS,
        cause => 'header_invalid',
        phase => 'header',
    },
    (
        map { invalid_length(@$_) } (
            [ E13 => 'Content-Length twice', 'Content-Length: 3' ],
            [
                E14 => 'both lengths, chunked first',
                'Transfer-Encoding: chunked'
            ],
            [
                E16 => 'Transfer-Encoding twice',
                'Transfer-Encoding: chunked',
                'Transfer-Encoding: chunked'
            ],
            [ E18 => 'an unknown coding', 'Transfer-Encoding: gzip, chunked' ],
        )
    ),
    {
        invalid_length( E15 => 'a length that is none' )->%*,
        b => answer("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n"),
    },
    {
        invalid_length( E17 => 'both lengths, chunked last' )->%*,
        b => answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
              . "Transfer-Encoding: chunked\r\n\r\nok"
        ),
    },
    {
        name   => 'Date twice is told and passed',
        site   => 'E19',
        since  => '1.23.0',
        b      => answer( http_ok( 'ok', 'Date: a', 'Date: b' ) ),
        conf   => $PASS,
        status => 200,
        failed => 0,
    },
    {
        name  => 'early hints larger than the buffer',
        site  => 'E20',
        since => '1.29.0',
        b     => answer(
            "HTTP/1.1 103 Early\r\nX: @{[ 'x' x 2000 ]}\r\n\r\n" x 3,
            http_ok()
        ),
        conf   => "proxy_buffer_size 4k; proxy_buffers 4 4k; $PASS",
        status => 200,
        failed => 0,
    },
    {
        name    => '100 is taken for the final response',
        site    => 'E21',
        b       => answer( "HTTP/1.1 100 Continue\r\n\r\n", http_ok() ),
        conf    => $PASS,
        status  => 100,
        outcome => 'open',
        failed  => 0,
    },
    {
        name    => 'HTTP/0.9 is logged as an error and passed',
        site    => 'E10',
        b       => answer("garbage\r\n"),
        conf    => $PASS,
        status  => 9,
        outcome => 'open',
        failed  => 0,
    },
);

# Accepted by old versions; the header itself is cut off before the length.
sub invalid_length ( $site, $name, @headers ) {
    return {
        name  => $name,
        site  => $site,
        since => '1.23.0',
        b     => answer( http_ok( 'ok', @headers ) ),
        conf  => $PASS,
        cause => 'header_invalid',
        phase => 'header',
    };
}

my @reused = (
    cached(
        name => 'closed on reuse: GET is saved',
        site => 'E5b',
        b    =>
          sequence( [ 'read', [ write => http_ok() ], 'read', 'close' ], $OK ),
        status   => 200,
        rescued  => 1,
        attempts => 2,
        causes   => 'keepalive_race, -',
    ),
    cached(
        name  => 'closed on reuse, kept without being told to',
        site  => 'E5b',
        since => '1.29.7',
        b     =>
          sequence( [ 'read', [ write => http_ok() ], 'read', 'close' ], $OK ),
        http     => 'upstream %%u%% { server %%b%%; }',
        conf     => 'proxy_pass http://%%u%%;',
        status   => 200,
        rescued  => 1,
        attempts => 2,
        causes   => 'keepalive_race, -',
    ),
    cached(
        name   => 'closed on reuse: POST is not',
        site   => 'E5b',
        b      => [ 'read', [ write => http_ok() ], 'read', 'close' ],
        method => 'POST',
        body   => 'order',
    ),
    cached(
        name   => 'reset on reuse',
        site   => 'E1b',
        b      => [ 'read', [ write => http_ok() ], 'read', 'rst' ],
        method => 'POST',
        body   => 'order',
        errno  => 104,
    ),
    cached(
        name => 'closed inside the header on reuse is no race',
        site => 'E5c',
        b    => [
            'read', [ write => http_ok() ],
            'read', [ write => "HTTP/1.1 2" ],
            'close'
        ],
        method => 'POST',
        body   => 'order',
        cause  => 'header_incomplete',
    ),
);

my @status = (
    {
        name            => 'the upstream says 502',
        site            => 'H3',
        b               => answer( http_status(502) ),
        conf            => $PASS,
        cause           => 'error_status',
        phase           => 'header',
        origin          => 'upstream',
        received_status => 502,
    },
    {
        name            => 'the upstream says 504',
        site            => 'H3',
        b               => answer( http_status(504) ),
        conf            => $PASS,
        status          => 504,
        cause           => 'error_status',
        phase           => 'header',
        origin          => 'upstream',
        received_status => 504,
    },
    {
        name   => 'the upstream says 503, nobody retries',
        site   => '-',
        b      => answer( http_status(503) ),
        conf   => $PASS,
        status => 503,
        failed => 0,
    },
    {
        name    => 'the upstream says 500: its own affair',
        site    => '-',
        b       => answer( http_status(500) ),
        conf    => $PASS,
        status  => 500,
        gateway => 0,
        failed  => 0,
    },
    {
        name    => 'the upstream says 502 and breaks off',
        site    => '-',
        b       => answer("HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\nab"),
        conf    => $PASS,
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
        cause  => 'error_status',
        phase  => 'header',
        origin => 'upstream',
        received_status => 502,
    },
    two(
        name            => 'the upstream says 502, retried',
        site            => 'H1',
        b               => answer( http_status(502) ),
        directives      => 'proxy_next_upstream http_502;',
        status          => 200,
        rescued         => 1,
        attempts        => 2,
        cause           => 'error_status',
        phase           => 'header',
        causes          => 'error_status, -',
        peer            => '%%b%%',
        received_status => 502,
    ),
    map {
        two(
            name            => "the upstream says $_, retried",
            site            => 'H2',
            b               => answer( http_status($_) ),
            directives      => "proxy_next_upstream http_$_;",
            status          => 200,
            rescued         => 1,
            attempts        => 2,
            cause           => 'error_status',
            phase           => 'header',
            causes          => 'error_status, -',
            received_status => $_,
        )
    } ( 500, 503, 504, 403, 404, 429 ),
);

my @retry = (
    two(
        name   => 'refused, then answered',
        site   => 'B11a',
        http   => 'upstream %%u%% { server %%closed%%; server %%b2%% backup; }',
        status => 200,
        rescued  => 1,
        attempts => 2,
        cause    => 'connection_refused',
        phase    => 'connect',
        errno    => 111,
        causes   => 'connection_refused, -',
        peer     => '%%closed%%',
    ),
    {
        name  => 'reset, closed, then answered',
        sites => [qw(E1 E5)],
        b    => [ 'read', 'rst' ],
        b2   => [ 'read', 'close' ],
        b3   => $OK,
        http => 'upstream %%u%% { server %%b%% weight=2; server %%b2%%;
            server %%b3%% backup; }',
        conf     => 'proxy_pass http://%%u%%;',
        status   => 200,
        rescued  => 1,
        attempts => 3,
        failures => 2,
        cause    => 'closed_before_response',
        phase    => 'header',
        peer     => '%%b2%%',
        causes   => 'reset_before_response, closed_before_response, -',
        events   => [
            [ 'reset_before_response',  'header', 104 ],
            [ 'closed_before_response', 'header' ],
        ],
    },
    two(
        name       => 'a timeout, then a header too big',
        sites      => [qw(E6 E7)],
        b          => $SILENT,
        b2         => answer( http_ok( 'ok', 'X-Big: ' . 'x' x 5000 ) ),
        directives => 'proxy_read_timeout 300ms; proxy_buffer_size 4k;
            proxy_buffers 4 4k;',
        attempts => 2,
        failures => 2,
        cause    => 'header_too_big',
        phase    => 'header',
        peer     => '%%b2%%',
        causes   => 'read_timeout, header_too_big',
        events   => [
            [ 'read_timeout', 'header', 110 ], [ 'header_too_big', 'header' ],
        ],
    ),
    two(
        name   => 'POST is not sent twice',
        site   => 'E1',
        b      => [ 'read', 'rst' ],
        method => 'POST',
        body   => 'order',
        cause  => 'reset_before_response',
        phase  => 'header',
        errno  => 104,
        peer   => '%%b%%',
    ),
);

sub rows () { return [ @header, @reused, @status, @retry ] }

1;
