#!/usr/bin/perl

# proxy_pass over plain HTTP: the body, upgraded connections, and responses that
# no failure stands behind.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Runner;
use Upstream502::Wire;

# A body that ends too early, in three ways.
my @SHORT   = ( "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 'short' );
my $CLOSED  = answer(@SHORT);
my $RESET   = [ 'read', [ write => @SHORT ], [ pause => 0.1 ], 'rst' ];
my $STALLED = [ 'read', [ write => @SHORT ], 'hold' ];

my $CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

# A chunked response that goes on with `then`, a moment after its header.
sub chunked (%row) {
    my $then = delete $row{then};
    return {
        b => [
            'read',
            [ write => $CHUNKED ],
            [ pause => 0.1 ],
            [ write => $then ],
            'hold'
        ],
        outcome => 'open',
        %row,
        conf => 'proxy_http_version 1.1; ' . ( $row{conf} // '' ) . $PASS,
    };
}

# The whole body goes into a file first.
sub stored ( $temp_path, $directives, %row ) {
    return {
        b    => answer( http_ok( 'x' x 100_000 ) ),
        conf => "proxy_temp_path $temp_path; proxy_store %%DIR%%/stored;
            $directives $PASS",
        outcome => 'open',
        %row,
    };
}

my @body = (
    {
        name => 'closed inside the body',
        site => 'I1',
        b    => $CLOSED,
    },
    {
        name => 'closed inside the body, unbuffered',
        site => 'I2',
        b    => $CLOSED,
        conf => "proxy_buffering off; $PASS",
    },
    {
        name => 'reset inside the body',
        site => 'I3',
        b    => $RESET,
    },
    {
        name => 'reset inside the body, unbuffered',
        site => 'I4',
        b    => $RESET,
        conf => "proxy_buffering off; $PASS",
    },
    {
        name => 'closed before the last chunk',
        site => 'I1',
        b    => answer( $CHUNKED, "5\r\nshort\r\n" ),
        conf => "proxy_http_version 1.1; $PASS",
    },
    chunked(
        name => 'a chunk size that is none',
        site => 'I11a',
        then => "zz\r\nno chunk\r\n",
    ),
    chunked(
        name => 'a chunk size that is none, unbuffered',
        site => 'I11b',
        conf => 'proxy_buffering off;',
        then => "zz\r\nno chunk\r\n",
    ),
    chunked(
        name => 'trailers larger than the buffer',
        site => 'I12a',
        conf => 'proxy_pass_trailers on; proxy_buffer_size 4k;
            proxy_buffers 4 4k;',
        then => "2\r\nok\r\n0\r\nX: " . 'x' x 8000 . "\r\n\r\n",
    ),
    chunked(
        name => 'a trailer that is none',
        site => 'I12b',
        conf => 'proxy_pass_trailers on;',
        then => "2\r\nok\r\n0\r\nBad Trailer: x\r\n\r\n",
    ),
    {
        name => 'stalled inside the body',
        site => 'I8',
        b    => $STALLED,
        conf => "proxy_read_timeout 1s; $PASS",
    },
    {
        name => 'stalled inside the body, unbuffered',
        site => 'I9',
        b    => $STALLED,
        conf => "proxy_buffering off; proxy_read_timeout 1s; $PASS",
    },
    {
        name => 'early hints, which nginx takes for the answer',
        site => 'I8',
        b    => [
            'read', [ write => "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" . http_ok() ],
            'hold'
        ],
        conf    => "proxy_http_version 1.1; proxy_read_timeout 1s; $PASS",
        status  => 103,
        outcome => 'whole',
        until   => '1.29.0',
        hint    => qr/ran out: the server sent an interim response \(1xx\), which this nginx takes/,
        unsaid  => 'no_answer',
    },
    stored(
        '%%DIR%%/locked', '',
        name    => 'a folder for temporary files without permission',
        site    => 'I21a',
        before  => sub ( $t, $row ) { chmod 0, $t->dir . '/locked' },
        errno   => 13,
        message => qr/^open\(\) ".*\/locked\/\d+" failed \(13: /,
    ),
    stored(
        '%%DIR%%/threads', 'set $pool none; aio threads=$pool; aio_write on;',
        name    => 'a pool of threads that does not exist',
        site    => 'I29a',
        message => qr/^thread pool "none" not found$/,
    ),
    {
        name => 'bytes behind the last chunk',
        site => 'I28',
        b    => answer( $CHUNKED, "2\r\nok\r\n0\r\n\r\nmore" ),
        conf => "proxy_http_version 1.1; $PASS",
    },
    {
        name => 'a body that ends with the connection is whole',
        site => 'I18',
        b    => answer("HTTP/1.0 200 OK\r\n\r\nshort"),
    },
    {
        name => 'a body longer than announced is cut, not failed',
        site => 'I27',
        b    => answer( http_ok() . 'more' ),
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
        %row,
    };
}

my @upgraded = (
    upgraded(
        name => 'silence on an upgraded connection',
        site => 'I10',
        b    => [ 'read', $SWITCHED, 'hold' ],
        conf => "$UPGRADE proxy_read_timeout 1s; $PASS",
        errno => 110,
    ),
    upgraded(
        name => 'an upgraded connection is reset',
        site => 'I24',
        b    => [ 'read', $SWITCHED, [ pause => 0.1 ], 'rst' ],
    ),
    upgraded(
        name => 'an upgraded connection is closed',
        b    => [ 'read', $SWITCHED, 'close' ],
    ),
);

my @none = (
    {
        name   => 'X-Accel-Redirect to a place outside',
        site   => 'H6a',
        b      => answer( http_ok( '', 'X-Accel-Redirect: /../x' ) ),
        status => 404,
    },
    {
        name    => 'X-Accel-Redirect to a location that is not there',
        site    => 'H6b',
        b       => answer( http_ok( '', 'X-Accel-Redirect: @nowhere' ) ),
        status  => 500,
        gateway => 0,
    },
    {
        name   => 'a 404 that is not stored',
        site   => 'H7',
        b      => answer( http_status(404) ),
        conf   => "proxy_store %%DIR%%/stored; $PASS",
        status => 404,
    },
    {
        name    => '101 that nobody asked for',
        site    => 'E22',
        b       => answer("HTTP/1.1 101 Whatever\r\n\r\n"),
        status  => 101,
        outcome => 'open',
    },
    {
        name   => 'a status that nobody knows',
        site   => 'E22',
        b      => answer( http_status(999) ),
        status => 999,
    },
    {
        name     => 'return 502',
        site     => 'A26',
        status   => 502,
        conf     => 'return 502;',
        origin   => 'config',
        attempts => 0,
    },
    {
        name     => 'error_page turns 404 into 502',
        site     => 'A26',
        status   => 502,
        conf     => 'error_page 404 =502 %%loc%%page; return 404;',
        server   => 'location = %%loc%%page { internal; return 200 sorry; }',
        origin   => 'config',
        attempts => 0,
    },
    {
        name     => 'return 500 is no gateway response of ours',
        site     => 'A26',
        conf     => 'return 500;',
        status   => 500,
        gateway  => 0,
        attempts => 0,
    },
    {
        name => 'a plain success',
        b    => answer( http_ok() ),
    },
);

play( [ @body, @upgraded, @none ] );
