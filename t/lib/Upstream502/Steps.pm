# What a scripted backend can do with a connection. A script is a list of
# steps, each a name or an array of a name and its arguments:
#
#   [ 'read', [ write => "HTTP/1.1 200 OK\r\n" ], [ pause => 0.1 ], 'rst' ]
#
# At the end of a script the connection is closed.

package Upstream502::Steps;

use v5.36;

use IO::Select       ();
use Time::HiRes      qw(sleep);
use Upstream502::Net qw(reset_close);

my %STEP;
%STEP = (

    # Reads one HTTP request, body included.
    read => sub ($c) {
        fill($c) while $c->{in} !~ /\r\n\r\n/;
        $c->{in} =~ s/^(.*?\r\n\r\n)//s;
        my $header = $1;
        my ($length) = $header =~ /^Content-Length:\s*(\d+)/im;
        take( $c, $length // 0 );
    },

    # Reads exactly this many bytes.
    read_bytes => sub ( $c, $count ) { take( $c, $count ) },

    # Reads whatever comes first; enough for a small request of any protocol.
    read_some => sub ($c) { fill($c); $c->{in} = '' },

    # Waits until nginx closes.
    hold => sub ($c) {
        eval { fill($c), $c->{in} = '' while 1; 1 } or $@ =~ /^gone/ or die $@;
    },

    # Waits without reading until the test is over.
    ignore => sub ($c) { sleep 1 while 1 },

    write => sub ( $c, @pieces ) { put( $c, $_ ) for @pieces },

    # Only where the time itself is the point.
    pause => sub ( $c, $seconds ) { sleep $seconds },

    # Sends a FIN and keeps reading possible.
    fin => sub ($c) { shutdown $c->{socket}, 1 },

    close => sub ($c) { leave( $c, 0 ) },
    rst   => sub ($c) { leave( $c, 1 ) },

    # A TLS handshake as the server; `options` returns IO::Socket::SSL's. If it
    # fails the connection stays open, so that nginx sees why.
    tls => sub ( $c, $options ) {
        require IO::Socket::SSL;
        open my $kept, '>&', $c->{socket} or die "dup: $!\n";
        IO::Socket::SSL->start_SSL(
            $c->{socket},
            SSL_server => 1,
            $options->()
        ) and return;
        $c->{socket} = $kept;
        $STEP{hold}->($c);
        die "gone\n";
    },

    # Raw bytes on a connection that speaks TLS.
    write_raw => sub ( $c, $bytes ) {
        open my $raw, '>&=', fileno $c->{socket} or die "dup: $!\n";
        syswrite $raw, $bytes;
        $c->{raw} = $raw;
    },
);

sub play ( $socket, $script ) {
    my $c = { socket => $socket, in => '' };
    if ( ref $script eq 'CODE' ) {
        return $script->($c);
    }
    for my $step (@$script) {
        my ( $name, @arguments ) = ref $step ? @$step : $step;
        my $action = $STEP{$name} // die "no step is called $name\n";
        $action->( $c, @arguments );
    }
    leave( $c, 0 );
}

# Reads more into $c->{in}; dies with "gone" when there is no more.
sub fill ($c) {
    if ( !sysread $c->{socket}, $c->{in}, 65536, length $c->{in} ) {
        die "gone\n";
    }
}

sub take ( $c, $count ) {
    fill($c) while length $c->{in} < $count;
    return substr $c->{in}, 0, $count, '';
}

sub put ( $c, $bytes ) {
    my $done = 0;
    while ( $done < length $bytes ) {
        $done += syswrite( $c->{socket}, $bytes, length($bytes) - $done, $done )
          // die "gone\n";
    }
}

# TLS connections are left without close_notify, as a crashed peer would.
sub leave ( $c, $reset ) {
    my $socket = delete $c->{socket} // die "gone\n";
    if ( $socket->can('stop_SSL') ) {
        $socket->stop_SSL( SSL_no_shutdown => 1, SSL_ctx_free => 0 );
    }
    $reset ? reset_close($socket) : close $socket;
    die "gone\n";
}

1;
