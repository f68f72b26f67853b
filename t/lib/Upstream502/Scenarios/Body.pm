# proxy_pass over plain HTTP: the body, upgraded connections, and responses that
# no failure stands behind.

package Upstream502::Scenarios::Body;

use v5.36;

use Upstream502::Wire;

my $PASS = 'proxy_pass http://%%b%%;';

sub answer (@bytes) { return [ 'read', [ write => @bytes ], 'close' ] }

my $HEADER = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

sub cut (%row) {
    return {
        conf    => $PASS,
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        %row,
    };
}

my @body = (
    cut(
        name    => 'closed inside the body',
        site    => 'I1',
        b       => answer( $HEADER, 'short' ),
        message => qr/^upstream prematurely closed connection$/,
    ),
    cut(
        name => 'closed inside the body, unbuffered',
        site => 'I2',
        b    => answer( $HEADER, 'short' ),
        conf => "proxy_buffering off; $PASS",
    ),
    cut(
        name => 'reset inside the body',
        site => 'I3',
        b => [ 'read', [ write => $HEADER, 'short' ], [ pause => 0.1 ], 'rst' ],
        errno => 104,
    ),
    cut(
        name => 'reset inside the body, unbuffered',
        site => 'I4',
        b => [ 'read', [ write => $HEADER, 'short' ], [ pause => 0.1 ], 'rst' ],
        conf  => "proxy_buffering off; $PASS",
        errno => 104,
    ),
    cut(
        name => 'closed before the last chunk',
        site => 'I1',
        b    => answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nshort\r\n"
        ),
        conf => "proxy_http_version 1.1; $PASS",
    ),
    cut(
        name => 'a chunk size that is none',
        site => 'I11',
        b    => [
            'read',
            [
                write => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            ],
            [ pause => 0.1 ],
            [ write => "zz\r\nno chunk\r\n" ],
            'hold'
        ],
        conf    => "proxy_http_version 1.1; $PASS",
        message => qr/^upstream sent invalid chunked response$/,
        outcome => 'open',
    ),
    cut(
        name  => 'stalled inside the body',
        site  => 'I8',
        b     => [ 'read', [ write => $HEADER, 'short' ], 'hold' ],
        conf  => "proxy_read_timeout 300ms; $PASS",
        cause => 'body_timeout',
        errno => 110,
    ),
    cut(
        name  => 'stalled inside the body, unbuffered',
        site  => 'I9',
        b     => [ 'read', [ write => $HEADER, 'short' ], 'hold' ],
        conf  => "proxy_buffering off; proxy_read_timeout 300ms; $PASS",
        cause => 'body_timeout',
        errno => 110,
    ),
    {
        name   => 'a body that ends with the connection is whole',
        site   => 'I18',
        b      => answer("HTTP/1.0 200 OK\r\n\r\nshort"),
        conf   => $PASS,
        status => 200,
        failed => 0,
    },
    {
        name   => 'a body longer than announced is cut, not failed',
        site   => 'I27',
        b      => answer( http_ok() . 'more' ),
        conf   => $PASS,
        status => 200,
        failed => 0,
    },
);

my $UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade x;
    proxy_set_header Connection upgrade;';
my $SWITCHED = [ write => "HTTP/1.1 101 Switching Protocols\r\n"
      . "Upgrade: x\r\nConnection: upgrade\r\n\r\n" ];

sub upgraded (%row) {
    return {
        conf    => "$UPGRADE $PASS",
        headers => [ 'Upgrade: x', 'Connection: upgrade' ],
        status  => 101,
        outcome => 'open',
        phase   => 'body',
        %row,
    };
}

my @upgraded = (
    upgraded(
        name  => 'silence on an upgraded connection',
        site  => 'I10',
        b     => [ 'read', $SWITCHED, 'hold' ],
        conf  => "$UPGRADE proxy_read_timeout 300ms; $PASS",
        cause => 'body_timeout',

        # nginx logs it as information only: its errno is not to be had.
        errno => qr/^(?:110|-)$/,
    ),
    upgraded(
        name  => 'an upgraded connection is reset',
        site  => 'I24',
        b     => [ 'read', $SWITCHED, [ pause => 0.1 ], 'rst' ],
        cause => 'body_incomplete',
        errno => 104,
    ),
    upgraded(
        name   => 'an upgraded connection is closed',
        site   => '-',
        b      => [ 'read', $SWITCHED, 'close' ],
        failed => 0,
    ),
);

my @none = (
    {
        name   => 'X-Accel-Redirect to a place outside',
        site   => 'H6',
        b      => answer( http_ok( '', 'X-Accel-Redirect: /../x' ) ),
        conf   => $PASS,
        status => 404,
        failed => 0,
    },
    {
        name   => 'a status that nobody knows',
        site   => 'E22',
        b      => answer( http_status(999) ),
        conf   => $PASS,
        status => 999,
        failed => 0,
    },
    {
        name     => 'return 502',
        site     => 'A26',
        conf     => 'return 502;',
        origin   => 'config',
        failed   => 0,
        attempts => 0,
    },
    {
        name     => 'error_page turns 404 into 502',
        site     => 'A26',
        conf     => 'error_page 404 =502 %%loc%%page; return 404;',
        server   => 'location = %%loc%%page { internal; return 200 sorry; }',
        origin   => 'config',
        failed   => 0,
        attempts => 0,
    },
    {
        name     => 'return 500 is no gateway response of ours',
        site     => 'A26',
        conf     => 'return 500;',
        status   => 500,
        gateway  => 0,
        failed   => 0,
        attempts => 0,
    },
    {
        name   => 'a plain success',
        site   => '-',
        b      => answer( http_ok() ),
        conf   => $PASS,
        status => 200,
        failed => 0,
    },
);

sub rows () { return [ @body, @upgraded, @none ] }

1;
