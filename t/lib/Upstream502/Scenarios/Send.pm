# proxy_pass over plain HTTP: while the request is sent.

package Upstream502::Scenarios::Send;

use v5.36;

use IO::Select       ();
use Upstream502::Net qw(accept_from reset_close PATIENCE);
use Upstream502::Wire;

our %OPTIONS = ( allow => [qr/was truncated at|read only \d+ of/] );

my $PASS  = 'proxy_pass http://%%b%%;';
my $BIG   = 'x' x ( 16 * 1024 * 1024 );
my $EARLY = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly";

sub answer (@bytes) { return [ 'read', [ write => @bytes ], 'close' ] }

my @send = (
    {
        name   => 'nobody reads the body',
        site   => 'D14',
        b      => ['ignore'],
        conf   => "client_max_body_size 0; proxy_send_timeout 300ms; $PASS",
        method => 'POST',
        body   => $BIG,
        status => 504,
        cause  => 'send_timeout',
        phase  => 'send',
        errno  => 110,
    },
    {
        name   => 'reset while the body is sent',
        site   => 'D1d',
        b      => 'own',
        conf   => "client_max_body_size 0; $PASS",
        method => 'POST',
        body   => $BIG,
        during => sub ( $t, $row, @ ) {
            my $socket = blocked( $t, $row );
            $t->nginx->freeze( sub { reset_close($socket) } );
        },
        cause => 'send_reset',
        phase => 'send',
        errno => 104,
    },
    {
        name   => 'reset as soon as the body begins',
        maybe  => [qw(D1a D1d D2a)],
        b      => [ [ read_bytes => 1000 ], 'rst' ],
        conf   => "client_max_body_size 0; $PASS",
        method => 'POST',
        body   => $BIG,
        cause  => 'send_reset',
        phase  => 'send',
        errno  => qr/^(?:104|32)$/,
    },
    {
        name   => 'an answer that is early, and nobody reads any more',
        site   => 'D15a',
        b      => [ [ read_bytes => 1000 ], [ write => $EARLY ], 'ignore' ],
        conf   => "client_max_body_size 0; proxy_send_timeout 300ms; $PASS",
        method => 'POST',
        body   => $BIG,
        status => 200,
        outcome => 'cut',
        cause   => 'body_timeout',
        phase   => 'body',
        errno   => 110,
    },
    cut_short(
        site    => 'D3',
        conf    => "sendfile on; $PASS",
        message => qr/^sendfile\(\) reported that ".*" was truncated at \d+$/,
    ),
    cut_short(
        site    => 'D8b',
        conf    => "sendfile off; $PASS",
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
        name   => "the file of the body is cut: $row{site}",
        b      => 'own',
        method => 'POST',
        body   => $BIG,
        during => sub ( $t, $row, @ ) {
            my $socket = blocked( $t, $row );
            my $file = ( sort glob $t->dir . '/client_body/*' )[-1];
            truncate $file, 0 or die "$file: $!\n";
            $row->{held} = $socket;
            1 while sysread $socket, my $bytes, 1 << 20;
        },
        cause => 'internal_error',
        phase => 'send',
        %row,
        conf => "client_max_body_size 0; client_body_in_file_only clean;
            $row{conf}",
    };
}

sub rows () { return [@send] }

1;
