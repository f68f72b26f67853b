# What a backend can get wrong in HTTP/2 itself, in its header and in its body:
# for grpc_pass, and for all else that speaks it.

package Upstream502::Scenarios::Http2;

use v5.36;

use Exporter qw(import);
use Upstream502::Wire;

our @EXPORT_OK = qw(frames begun row @HEADER @IN_BODY);

my $PASS    = 'grpc_pass grpc://%%b%%;';
my $GOAWAY  = pack 'NN', 0, 11;
my $TOO_BIG = pack 'N',  0x80000000;

# The backend answers with these frames and waits.
sub frames (@frames) {
    return [ 'read_some', [ write => join '', h2_settings(), @frames ],
        'hold' ];
}

# A response has begun: a header, and a moment later the rest.
sub begun (@frames) {
    return [
        'read_some',
        [ write => h2_settings() . h2_headers() . h2( 0, 0, 1, 'part' ) ],
        [ pause => 0.1 ],
        [ write => join '', @frames ], 'hold'
    ];
}

sub row ( $site, $name, $script, %row ) {
    return {
        site     => $site,
        name     => $name,
        b        => $script,
        conf     => $PASS,
        cause    => 'protocol_error',
        phase    => 'header',
        protocol => 'grpc',
        %row,
    };
}

# HTTP/2 itself is in order, the header in it is not.
my %CAUSE = (
    ( map { $_ => 'header_invalid' } qw(J6 J7 J8 J9 J10 J11 J49 J50) ),
    ( map { $_ => 'header_too_big' } qw(J43 J44 J46 J47 J51) ),
    J12 => 'header_incomplete',
);

# [site, name, frames, message, more of the row]
our @HEADER = map {
    my ( $site, $name, $frames, $message, @more ) = @$_;
    row(
        $site, $name, frames(@$frames),
        message => $message,
        cause   => $CAUSE{$site} // 'protocol_error',
        frames  => $frames,
        @more,
    )
} (
    [
        J1 => 'DATA before HEADERS',
        [ h2( 0, 0, 1, 'x' ) ],
        qr/^upstream sent unexpected http2 frame: 0$/
    ],
    [
        J1 => 'CONTINUATION alone',
        [ h2( 9, 4, 1, 'x' ) ],
        qr/^upstream sent unexpected http2 frame: 9$/
    ],
    [
        J2 => 'HEADERS of another stream',
        [ h2( 1, 4, 3, "\x88" ) ],
        qr/^upstream sent frame for unknown stream 3$/
    ],
    [
        J3 => 'the stream is refused',
        [ h2( 3, 0, 1, pack 'N', 7 ) ],
        qr/^upstream rejected request with error 7$/
    ],
    [
        J4 => 'GOAWAY',
        [ h2( 7, 0, 0, $GOAWAY ) ],
        qr/^upstream sent goaway with error 11$/
    ],
    [
        J5 => 'PUSH_PROMISE',
        [ h2( 5, 4, 1, pack( 'N', 2 ) . "\x88" ) ],
        qr/^upstream sent unexpected push promise frame$/
    ],
    [
        J6 => 'a pseudo-header of requests',
        [ h2_headers("\x00\x05:path\x01/") ],
        qr/^upstream sent invalid header ":path: \/"$/
    ],
    [
        J7 => 'the status twice',
        [ h2_headers("\x88\x88") ],
        qr/^upstream sent duplicate :status header$/
    ],
    [
        J8 => 'a status of four digits',
        [ h2_headers("\x08\x042000") ],
        qr/^upstream sent invalid :status "2000"$/
    ],
    [
        J9 => 'a status that is no number',
        [ h2_headers("\x08\x032x0") ],
        qr/^upstream sent invalid :status "2x0"$/
    ],
    [
        J10 => 'an interim status',
        [ h2_headers("\x08\x03100") ],
        qr/^upstream sent unexpected :status "100"$/
    ],
    [
        J11 => 'no status',
        [ h2_headers("\x00\x01x\x01y") ],
        qr/^upstream sent no :status header$/
    ],
    [
        J12 => 'early hints that end the stream',
        [ h2_headers( "\x08\x03103", 5 ) ],
        qr/^upstream prematurely closed stream$/,
        since => '1.29.0',
    ],
    [
        J44 => 'a name larger than the buffer',
        [ h2_headers( "\x88\x00\x7f\x89\x26" . 'x' x 5000 . "\x01y" ) ],
        qr/^upstream sent too large http2 header name length: 5000$/,
        since => '1.31.3',
        conf  => "grpc_buffer_size 4k; $PASS",
    ],
    [
        J47 => 'a value larger than the buffer',
        [ h2_headers( "\x88\x00\x01x\x7f\x89\x26" . 'y' x 5000 ) ],
        qr/^upstream sent too large http2 header value length: 5000$/,
        since => '1.31.3',
        conf  => "grpc_buffer_size 4k; $PASS",
    ],
    [
        J51 => 'fields larger than the buffer',
        # if-modified-since, by its index: the names count, though not sent.
        [ h2_headers( "\x88" . "\x0f\x19\x03yyy" x 230 ) ],
        qr/^upstream sent too large http2 header$/,
        since => '1.31.2',
        conf  => "grpc_buffer_size 4k; $PASS",
    ],
    [
        J56 => 'a window update of nothing',
        [ h2( 8, 0, 0, pack 'N', 0 ) ],
        qr/^upstream sent zero window update$/,
        since => '1.31.4',
    ],
    [
        J33 => 'an HTTP/1 server answers',
        [],
        qr/^upstream sent too large http2 frame: 4740180$/
    ],
    [
        J34 => 'HEADERS too short for their flags',
        [ h2( 1, 0x2c, 1, 'xx' ) ],
        qr/^upstream sent headers frame with invalid length: 2$/
    ],
    [
        J35 => 'more padding than frame',
        [ h2( 1, 0x0c, 1, "\xffabc" ) ],
        qr/^upstream sent http2 frame with too long padding: 255/
    ],
    [
        J36 => 'a header block that ends too early',
        [ h2_headers("\x00\x05ab") ],
        qr/^upstream sent truncated http2 header$/
    ],
    [
        J37 => 'an index outside the table',
        [ h2_headers("\xff\x00") ],
        qr/^upstream sent invalid http2 table index/
    ],
    [
        J38 => 'a name with an index outside the table',
        [ h2_headers("\x88\x0f\x7f\x01y") ],
        qr/^upstream sent invalid http2 table index/
    ],
    [
        J39 => 'a table larger than allowed',
        [ h2_headers("\x3f\xff\x7f\x88") ],
        qr/^upstream sent invalid http2 dynamic table size update/
    ],
    [
        J40 => 'an index that goes on and on',
        [ h2_headers("\x88\x0f\x80\x80\x80\x01") ],
        qr/^upstream sent http2 table index with continuation flag$/
    ],
    [
        J43 => 'a name of unbelievable length',
        [ h2_headers("\x88\x00\x7f\xff\xff\xff\x7f") ],
        qr/^upstream sent too large http2 header name length/
    ],
    [
        J46 => 'a value of unbelievable length',
        [ h2_headers("\x88\x00\x01x\x7f\xff\xff\xff\x7f") ],
        qr/^upstream sent too large http2 header value length/
    ],
    [
        J41 => 'an index of two octets outside the table',
        [ h2_headers("\x88\x0f\x70\x01y") ],
        qr/^upstream sent invalid http2 table index/
    ],
    [
        J48 => 'a value in broken Huffman code',
        [ h2_headers("\x88\x00\x01x\x84\xff\xff\xff\xff") ],
        qr/^upstream sent invalid encoded header$/
    ],
    [
        J50 => 'a NUL in a value',
        [ h2_headers("\x88\x00\x01x\x01\x00") ],
        qr/^upstream sent invalid header: "x: /
    ],
    [
        J64 => 'a window of the stream that becomes too large',
        [
            h2( 8, 0, 1, pack 'N', 0x7fffffff - 65535 ),
            h2( 4, 0, 0, pack 'nN', 4, 65536 )
        ],
        qr/^upstream sent settings frame with too large initial window size/
    ],
    [
        J42 => 'a header without a name',
        [ h2_headers("\x88\x00\x00") ],
        qr/^upstream sent zero http2 header name length$/
    ],
    [
        J45 => 'broken Huffman code',
        [ h2_headers("\x88\x00\x84\xff\xff\xff\xff\x01y") ],
        qr/^upstream sent invalid encoded header$/
    ],
    [
        J49 => 'an upper-case name',
        [ h2_headers("\x88\x00\x01X\x01y") ],
        qr/^upstream sent invalid header: "X: y"$/
    ],
    [
        J52 => 'RST_STREAM too short',
        [ h2( 3, 0, 1, 'xx' ) ],
        qr/^upstream sent rst stream frame with invalid length: 2$/
    ],
    [
        J53 => 'GOAWAY on a stream',
        [ h2( 7, 0, 1, $GOAWAY ) ],
        qr/^upstream sent goaway frame with non-zero stream id: 1$/
    ],
    [
        J54 => 'GOAWAY too short',
        [ h2( 7, 0, 0, 'xx' ) ],
        qr/^upstream sent goaway frame with invalid length: 2$/
    ],
    [
        J55 => 'WINDOW_UPDATE too short',
        [ h2( 8, 0, 0, 'xx' ) ],
        qr/^upstream sent window update frame with invalid length: 2$/
    ],
    [
        J57 => 'a window too large',
        [ h2( 8, 0, 1, pack 'N', 0x7fffffff ) ],
        qr/^upstream sent too large window update$/
    ],
    [
        J58 => 'a connection window too large',
        [ h2( 8, 0, 0, pack 'N', 0x7fffffff ) ],
        qr/^upstream sent too large window update$/
    ],
    [
        J62 => 'SETTINGS without end',
        [ h2( 4, 0, 0 ) x 1001 ],
        qr/^upstream sent too many settings frames$/
    ],
    [
        J68 => 'PING without end',
        [ h2( 6, 0, 0, 'x' x 8 ) x 1100 ],
        qr/^upstream sent too many ping frames$/
    ],
    [
        J59 => 'SETTINGS on a stream',
        [ h2( 4, 0, 1 ) ],
        qr/^upstream sent settings frame with non-zero stream id: 1$/
    ],
    [
        J60 => 'SETTINGS ACK with content',
        [ h2( 4, 1, 0, 'x' x 6 ) ],
        qr/^upstream sent settings frame with ack flag and non-zero length: 6$/
    ],
    [
        J61 => 'SETTINGS of odd length',
        [ h2( 4, 0, 0, 'xx' ) ],
        qr/^upstream sent settings frame with invalid length: 2$/
    ],
    [
        J63 => 'an initial window too large',
        [ h2( 4, 0, 0, pack( 'n', 4 ) . $TOO_BIG ) ],
        qr/^upstream sent settings frame with too large initial window size/
    ],
    [
        J65 => 'PING on a stream',
        [ h2( 6, 0, 1, 'x' x 8 ) ],
        qr/^upstream sent ping frame with non-zero stream id: 1$/
    ],
    [
        J66 => 'PING too short',
        [ h2( 6, 0, 0, 'xx' ) ],
        qr/^upstream sent ping frame with invalid length: 2$/
    ],
    [
        J67 => 'PING ACK',
        [ h2( 6, 1, 0, 'x' x 8 ) ],
        qr/^upstream sent ping frame with ack flag$/
    ],
);

for my $row (@HEADER) {
    if ( $row->{site} eq 'J33' ) {
        $row->{frames} = ["HTTP/1.1 400 Bad Request\r\n\r\n"];
        $row->{b} = [ 'read_some', [ write => $row->{frames}[0] ], 'hold' ];
    }
    elsif ( $row->{site} eq 'J49' ) {
        $row->{sites} = [qw(J49 J13)];    # two lines
    }
}

# What parses frames and fields serves the body and its trailers as well.
our @IN_BODY = map {
    {
        %$_,
          name => "$_->{name}, inside the body",
          b    => frames(
            h2_headers(),
            h2( 0, 0, 1, 'part' ),
            map { as_trailers($_) } @{ $_->{frames} }
          ),
          status  => 200,
          outcome => 'open',
          cause   => 'protocol_error',
          phase   => 'body',
          sites   => [ $_->{site}, $_->{sites} ? 'J28' : () ],
    }
} grep { $_->{site} =~ /^J(\d+)$/ && $1 >= 33 } @HEADER;

# Without the status of a header block.
sub as_trailers ($frame) {
    my ( undef, $type, $flags, undef, $block ) = unpack 'a3CCNa*', $frame;
    return $type == 1 && $block =~ s/^\x88//
      ? h2( $type, $flags, 1, $block )
      : $frame;
}

1;
