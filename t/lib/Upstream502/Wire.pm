# Bytes of the protocols that scripted backends speak: HTTP, FastCGI, HTTP/2
# frames for gRPC, TLS records and DNS answers.

package Upstream502::Wire;

use v5.36;

use Exporter qw(import);

our @EXPORT = qw(http_ok http_last http_status fcgi fcgi_end h2 h2_settings h2_headers
  tls_alert dns_answers question);

# A whole HTTP/1.1 response.
sub http_status ( $status, $body = '', @headers ) {
    return join "\r\n", "HTTP/1.1 $status Whatever", @headers,
      'Content-Length: ' . length $body, '', $body;
}

sub http_ok ( $body = 'ok', @headers ) {
    return http_status( 200, $body, @headers );
}

# One after which nginx does not keep the connection, as newer versions do by
# themselves for every upstream{}.
sub http_last ( $body = 'ok', @headers ) {
    return http_ok( $body, 'Connection: close', @headers );
}

# A FastCGI record: type 3 END_REQUEST, 6 STDOUT, 7 STDERR.
sub fcgi ( $type, $content, %o ) {
    return pack( 'CCnnCC',
        $o{version} // 1,
        $type,
        $o{id} // 1,
        length $content,
        0, 0 )
      . $content;
}

sub fcgi_end () { return fcgi( 3, "\0" x 8 ) }

# An HTTP/2 frame: type 0 DATA, 1 HEADERS, 3 RST_STREAM, 4 SETTINGS, 5
# PUSH_PROMISE, 6 PING, 7 GOAWAY, 8 WINDOW_UPDATE, 9 CONTINUATION.
sub h2 ( $type, $flags, $stream, $payload = '', $length = length $payload ) {
    return
        substr( pack( 'N', $length ), 1 )
      . pack( 'CCN', $type, $flags, $stream )
      . $payload;
}

sub h2_settings () { return h2( 4, 0, 0 ) }

# A HEADERS frame on stream 1 that ends the header block; flags 5 end the
# stream as well. "\x88" is `:status: 200`.
sub h2_headers ( $block = "\x88", $flags = 4 ) {
    return h2( 1, $flags, 1, $block );
}

# A fatal TLS alert, as an unencrypted record.
sub tls_alert ($description) {
    return pack 'CnnCC', 21, 0x0303, 2, 2, $description;
}

# A backend function for `udp`: names to addresses, rcodes or undef (silence).
# Anything else does not exist.
sub dns_answers (%zone) {
    return sub ($query) {
        my ( $name, $type, $end ) = question($query);
        my $answer = exists $zone{ lc $name } ? $zone{ lc $name } : 3;
        if ( !defined $answer ) {
            return undef;
        }
        my ($id)     = unpack 'n', $query;
        my $question = substr $query, 12, $end - 12;
        if ( $answer =~ /^\d+$/ ) {
            return pack( 'n6', $id, 0x8180 | $answer, 1, 0, 0, 0 ) . $question;
        }
        my @a = $type == 1 ? [ split /\./, $answer ] : ();
        return
          pack( 'n6', $id, 0x8180, 1, scalar @a, 0, 0 ) . $question . join '',
          map { pack 'nnnNnC4', 0xc00c, 1, 1, 60, 4, @$_ } @a;
    };
}

sub question ($query) {
    my ( $at, @labels ) = (12);
    while ( my $length = ord substr $query, $at, 1 ) {
        push @labels, substr $query, $at + 1, $length;
        $at += $length + 1;
    }
    my ($type) = unpack 'n', substr $query, $at + 1, 2;
    return ( join( '.', @labels ), $type, $at + 5 );
}

1;
