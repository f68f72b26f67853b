#!/usr/bin/perl

# proxy_pass over plain HTTP: while the request is sent.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select       ();
use Upstream502::Net qw(accept_from reset_close PATIENCE);
use Upstream502::Runner;
use Upstream502::Wire;

my @UPLOAD = ( method => 'POST', body => 'x' x ( 16 * 1024 * 1024 ) );
my $EARLY  = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly";

my @rows = (
    {
        name => 'nobody reads the body',
        site => 'D14',
        b    => ['ignore'],
        conf => "proxy_send_timeout 300ms; $PASS",
        @UPLOAD,
        status => 504,
    },
    {
        name => 'reset while the body is sent',
        site => 'D1d',
        b    => 'own',
        @UPLOAD,
        during => sub ( $t, $row, @ ) {
            my $socket = blocked( $t, $row );
            $t->nginx->freeze( sub { reset_close($socket) } );
        },
    },
    {
        name  => 'reset as soon as the body begins',
        maybe => [qw(D1a D1d D2a)],
        b     => [ [ read_bytes => 1000 ], 'rst' ],
        @UPLOAD,
    },
    {
        name => 'an answer that is early, and nobody reads any more',
        site => 'D15a',
        b    => [ [ read_bytes => 1000 ], [ write => $EARLY ], 'ignore' ],
        conf => "proxy_send_timeout 300ms; $PASS",
        @UPLOAD,
    },
    cut_short(
        site    => 'D3',
        conf    => 'sendfile on;',
        message => qr/^sendfile\(\) reported that ".*" was truncated at \d+$/,
    ),
    cut_short(
        site    => 'D8b',
        conf    => 'sendfile off;',
        message => qr/^pread\(\) read only \d+ of \d+ from "/,
    ),
);

# nginx's connection, when it has written what it could of a body.
sub blocked ( $t, $row ) {
    my $socket = accept_from( $row->{listener}{b} );
    IO::Select->new($socket)->can_read(PATIENCE) or die "no request\n";
    $t->nginx->wait_idle;
    return $socket;
}

# The file that holds the request's body loses it while it is sent.
sub cut_short (%row) {
    return {
        name => "the file of the body is cut: $row{site}",
        b    => 'own',
        @UPLOAD,
        during => sub ( $t, $row, @ ) {
            my $socket = blocked( $t, $row );
            my $file   = ( sort glob $t->dir . '/client_body/*' )[-1];
            truncate $file, 0 or die "$file: $!\n";
            $row->{held} = $socket;
            1 while sysread $socket, my $bytes, 1 << 20;
        },
        %row,
        conf => "client_body_in_file_only clean; $row{conf} $PASS",
    };
}

play(
    \@rows,
    http  => 'client_max_body_size 0;',
    allow => [qr/was truncated at|read only \d+ of/]
);
