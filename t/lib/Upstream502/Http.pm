# An HTTP/1 client that shows what came over the wire: whether a response was
# whole, cut short or missing.
#
#   my $r = request( $address, uri => '/x', method => 'POST', body => 'b' );
#   $r->{status}, $r->{headers}{'content-type'}, $r->{body}, $r->{complete}

package Upstream502::Http;

use v5.36;

use Exporter   qw(import);
use IO::Select ();
use IO::Socket::IP;
use IO::Socket::UNIX;
use Socket           qw(SOCK_STREAM);
use Time::HiRes      qw(time);
use Upstream502::Net qw(PATIENCE);

our @EXPORT_OK = qw(request send_request read_response connect_to);

# `address` is a port of 127.0.0.1 or the path of a unix socket.
sub connect_to ($address) {
    my $socket =
      $address =~ m{^/}
      ? IO::Socket::UNIX->new( Peer => $address, Type => SOCK_STREAM )
      : IO::Socket::IP->new(
        PeerHost => '127.0.0.1',
        PeerPort => $address,
        Type     => SOCK_STREAM,
      );
    return $socket // die "cannot connect to $address: $@ $!\n";
}

sub format_request (%o) {
    if ( defined $o{raw} ) {
        return $o{raw};
    }
    my @headers = @{ $o{headers} // [] };
    if ( defined $o{id} ) {
        push @headers, "X-Test: $o{id}";
    }
    if ( defined $o{body} && !$o{no_length} ) {
        push @headers, 'Content-Length: ' . length $o{body};
    }
    return join "\r\n",
      join( ' ', $o{method} // 'GET', $o{uri} // '/', 'HTTP/1.1' ),
      'Host: ' . ( $o{host} // 'localhost' ),
      'Connection: ' . ( $o{keep} ? 'keep-alive' : 'close' ),
      @headers, '', $o{body} // '';
}

sub send_request ( $address, %o ) {
    my $socket = $o{socket} // connect_to($address);
    write_all( $socket, format_request(%o) );
    return $socket;
}

# A server that answers early may stop reading: that is not an error here.
sub write_all ( $socket, $bytes ) {
    local $SIG{PIPE} = 'IGNORE';
    my $deadline = time + PATIENCE;
    my $blocking = $socket->blocking(0);
    my $done     = 0;
    while ( $done < length $bytes && time < $deadline ) {
        IO::Select->new($socket)->can_write(1) or next;
        my $n = syswrite $socket, $bytes, length($bytes) - $done, $done;
        if    ( defined $n )                { $done += $n }
        elsif ( !$!{EAGAIN} && !$!{EINTR} ) { last }
    }
    $socket->blocking($blocking);
}

# Reads to the end of the connection, or of one response with `keep`.
sub read_response ( $socket, %o ) {
    my $raw      = '';
    my $eof      = 0;
    my $head     = ( $o{method} // '' ) eq 'HEAD';
    my $deadline = time + ( $o{patience} // PATIENCE );
    while ( time < $deadline ) {
        if ( $o{keep} && parse( $raw, $head )->{complete} ) {
            last;
        }
        IO::Select->new($socket)->can_read( $deadline - time ) or last;
        my $n = sysread $socket, $raw, 65536, length $raw;
        if ( !$n ) {
            $eof = 1;
            last;
        }
    }
    my $response = parse( $raw, $head );
    $response->{eof}       = $eof;
    $response->{timed_out} = time >= $deadline;
    if ( $eof && $response->{close_delimited} ) {
        $response->{complete} = 1;
    }
    return $response;
}

sub request ( $address, %o ) {
    my $socket   = send_request( $address, %o );
    my $response = read_response( $socket, %o );
    if ( $o{keep} ) {
        $response->{socket} = $socket;
    }
    return $response;
}

sub parse ( $raw, $head_only = 0 ) {
    my %r = (
        raw      => $raw,
        status   => 0,
        headers  => {},
        body     => '',
        complete => 0,
    );
    $raw =~ m{^HTTP/1\.\d (\d{3})([^\r\n]*)\r\n(.*?\r\n)?\r\n}s or return \%r;
    my $body = substr $raw, $+[0];
    $r{status} = $1 + 0;
    for ( split /\r\n/, $3 // '' ) {
        my ( $name, $value ) = split /:\s*/, $_, 2;
        push @{ $r{lines} }, $_;
        $r{headers}{ lc $name } = $value;
    }
    if ( $head_only || $r{status} == 204 || $r{status} == 304 ) {
        return { %r, body => $body, complete => 1 };
    }
    if ( ( $r{headers}{'transfer-encoding'} // '' ) eq 'chunked' ) {
        @r{qw(body complete)} = dechunk($body);
        return \%r;
    }
    $r{body} = $body;
    my $length = $r{headers}{'content-length'};
    if ( defined $length ) {
        $r{complete} = length $body >= $length;
    }
    else {
        $r{close_delimited} = 1;
    }
    return \%r;
}

sub dechunk ($bytes) {
    my $body = '';
    while ( $bytes =~ s/^([0-9a-fA-F]+)[^\r\n]*\r\n// ) {
        my $size = hex $1;
        if ( $size == 0 ) {

            # Trailers may follow.
            return ( $body, $bytes =~ /^(?:[^\r\n]+\r\n)*\r\n/ ? 1 : 0 );
        }
        if ( length $bytes < $size + 2 ) {
            return ( $body . $bytes, 0 );
        }
        $body .= substr $bytes, 0, $size;
        $bytes = substr $bytes, $size + 2;
    }
    return ( $body, 0 );
}

1;
