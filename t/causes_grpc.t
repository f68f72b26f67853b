#!/usr/bin/perl

# grpc_pass, and proxy_pass with HTTP/2.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Backend qw(sequence);
use Upstream502::Runner;
use Upstream502::Wire;

my $GRPC   = 'grpc_pass grpc://%%b%%;';
my $SMALL  = "grpc_buffer_size 4k; $GRPC";
my $GOAWAY = pack 'NN', 0, 11;
my $PART   = h2( 0, 0, 1, 'part' );
my $HTTP1  = "HTTP/1.1 400 Bad Request\r\n\r\n";

# The backend answers with these frames and waits.
sub frames (@frames) {
    return [ 'read_some', [ write => join '', h2_settings(), @frames ],
        'hold' ];
}

# A response has begun: a header, and a moment later the rest.
sub begun (@frames) {
    return [
        'read_some',
        [ write => h2_settings() . h2_headers() . $PART ],
        [ pause => 0.1 ],
        [ write => join '', @frames ], 'hold'
    ];
}

sub row ( $site, $name, $script, %row ) {
    return {
        site => $site,
        name => $name,
        b    => $script,
        conf => $GRPC,
        %row,
    };
}

# What a backend can get wrong in HTTP/2 itself, and in the header in it: site,
# name, frames, a part of nginx's message, more of the row. What parses frames
# and fields, from J33 on, serves the body and its trailers as well.
my @WRONG = (
    [ J1 => 'DATA before HEADERS',       h2( 0, 0, 1, 'x' ),    qr/frame: 0$/ ],
    [ J1 => 'CONTINUATION alone',        h2( 9, 4, 1, 'x' ),    qr/frame: 9$/ ],
    [ J2 => 'HEADERS of another stream', h2( 1, 4, 3, "\x88" ), qr/stream 3$/ ],
    [
        J3 => 'the stream is refused',
        h2( 3, 0, 1, pack 'N', 7 ), qr/error 7$/,
        finding => 'h2_error',
        says    => '%%b%% ended the stream with REFUSED_STREAM \(7\)'
    ],
    [
        J4 => 'GOAWAY',
        h2( 7, 0, 0, $GOAWAY ), qr/error 11$/,
        finding => 'h2_error',
        says    => '%%b%% ended the connection with ENHANCE_YOUR_CALM \(11\)'
    ],
    [
        J5 => 'PUSH_PROMISE',
        h2( 5, 4, 1, pack( 'N', 2 ) . "\x88" ),
        undef, unsaid => 'h2_error'
    ],
    [
        J6 => 'a pseudo-header of requests',
        h2_headers("\x00\x05:path\x01/"), qr/":path: \/"$/
    ],
    [ J7 => 'the status twice', h2_headers("\x88\x88") ],
    [
        J8 => 'a status of four digits',
        h2_headers("\x08\x042000"), qr/:status "2000"$/
    ],
    [
        J9 => 'a status that is no number',
        h2_headers("\x08\x032x0"), qr/:status "2x0"$/
    ],
    [
        J10 => 'an interim status',
        h2_headers("\x08\x03100"), qr/:status "100"$/
    ],
    [ J11 => 'no status', h2_headers("\x00\x01x\x01y") ],
    [
        J12 => 'early hints that end the stream',
        h2_headers( "\x08\x03103", 5 )
    ],
    [ J33 => 'an HTTP/1 server answers', $HTTP1, qr/frame: 4740180$/ ],
    [
        J34 => 'HEADERS too short for their flags',
        h2( 1, 0x2c, 1, 'xx' ), qr/length: 2$/
    ],
    [
        J35 => 'more padding than frame',
        h2( 1, 0x0c, 1, "\xffabc" ), qr/padding: 255/
    ],
    [ J36 => 'a header block that ends too early', h2_headers("\x00\x05ab") ],
    [ J37 => 'an index outside the table',         h2_headers("\xff\x00") ],
    [
        J38 => 'a name with an index outside the table',
        h2_headers("\x88\x0f\x7f\x01y")
    ],
    [ J39 => 'a table larger than allowed', h2_headers("\x3f\xff\x7f\x88") ],
    [
        J40 => 'an index that goes on and on',
        h2_headers("\x88\x0f\x80\x80\x80\x01")
    ],
    [
        J41 => 'an index of two octets outside the table',
        h2_headers("\x88\x0f\x70\x01y")
    ],
    [ J42 => 'a header without a name', h2_headers("\x88\x00\x00") ],
    [
        J43 => 'a name of unbelievable length',
        h2_headers("\x88\x00\x7f\xff\xff\xff\x7f")
    ],
    [
        J44 => 'a name larger than the buffer',
        h2_headers( "\x88\x00\x7f\x89\x26" . 'x' x 5000 . "\x01y" ),
        qr/length: 5000$/, conf => $SMALL
    ],
    [
        J45 => 'broken Huffman code',
        h2_headers("\x88\x00\x84\xff\xff\xff\xff\x01y")
    ],
    [
        J46 => 'a value of unbelievable length',
        h2_headers("\x88\x00\x01x\x7f\xff\xff\xff\x7f")
    ],
    [
        J47 => 'a value larger than the buffer',
        h2_headers( "\x88\x00\x01x\x7f\x89\x26" . 'y' x 5000 ),
        qr/length: 5000$/, conf => $SMALL
    ],
    [
        J48 => 'a value in broken Huffman code',
        h2_headers("\x88\x00\x01x\x84\xff\xff\xff\xff")
    ],
    [
        J49 => 'an upper-case name',
        h2_headers("\x88\x00\x01X\x01y"), qr/"X: y"$/, sites => [qw(J49 J13)]
    ],
    [
        J50 => 'a NUL in a value',
        h2_headers("\x88\x00\x01x\x01\x00"), qr/"x: /
    ],

    # if-modified-since, by its index: the names count, though not sent.
    [
        J51 => 'fields larger than the buffer',
        h2_headers( "\x88" . "\x0f\x19\x03yyy" x 230 ), undef, conf => $SMALL
    ],
    [ J52 => 'RST_STREAM too short', h2( 3, 0, 1, 'xx' ),    qr/length: 2$/ ],
    [ J53 => 'GOAWAY on a stream',   h2( 7, 0, 1, $GOAWAY ), qr/id: 1$/ ],
    [ J54 => 'GOAWAY too short',     h2( 7, 0, 0, 'xx' ),    qr/length: 2$/ ],
    [ J55 => 'WINDOW_UPDATE too short', h2( 8, 0, 0, 'xx' ), qr/length: 2$/ ],
    [ J56 => 'a window update of nothing', h2( 8, 0, 0, pack 'N', 0 ) ],
    [ J57 => 'a window too large', h2( 8, 0, 1, pack 'N', 0x7fffffff ) ],
    [
        J58 => 'a connection window too large',
        h2( 8, 0, 0, pack 'N', 0x7fffffff )
    ],
    [ J59 => 'SETTINGS on a stream', h2( 4, 0, 1 ), qr/id: 1$/ ],
    [
        J60 => 'SETTINGS ACK with content',
        h2( 4, 1, 0, 'x' x 6 ), qr/length: 6$/
    ],
    [ J61 => 'SETTINGS of odd length', h2( 4, 0, 0, 'xx' ), qr/length: 2$/ ],
    [ J62 => 'SETTINGS without end',   h2( 4, 0, 0 ) x 1001 ],
    [
        J63 => 'an initial window too large',
        h2( 4, 0, 0, pack( 'n', 4 ) . pack 'N', 0x80000000 )
    ],
    [
        J64 => 'a window of the stream that becomes too large',
        h2( 8, 0, 1, pack 'N', 0x7fffffff - 65535 )
          . h2( 4, 0, 0, pack 'nN', 4, 65536 )
    ],
    [ J65 => 'PING on a stream', h2( 6, 0, 1, 'x' x 8 ), qr/id: 1$/ ],
    [ J66 => 'PING too short',   h2( 6, 0, 0, 'xx' ),    qr/length: 2$/ ],
    [ J67 => 'PING ACK',         h2( 6, 1, 0, 'x' x 8 ) ],
    [ J68 => 'PING without end', h2( 6, 0, 0, 'x' x 8 ) x 1100 ],
);

my @header = map {
    my ( $site, $name, $frames, $message, %row ) = @$_;
    row(
        $site, $name, frames($frames),
        phase   => 'header',
        message => $message,
        %row
    )
} @WRONG;

# No HTTP/2, so no settings either.
my ($http1) = grep { $_->{site} eq 'J33' } @header;
$http1->{b} = [ 'read_some', [ write => $HTTP1 ], 'hold' ];

sub body ( $site, $name, $script, %row ) {
    return row(
        $site, $name, $script,
        phase   => 'body',
        outcome => 'open',
        %row
    );
}

# A line about trailers is followed by a second one where J13 follows that about
# a header.
my @in_body = map {
    my ( $site, $name, $frames, $message, %row ) = @$_;
    my @sites = ( $site, $row{sites} ? 'J28' : () );
    body(
        $site,
        "$name, inside the body",
        frames( h2_headers(), $PART, as_trailers($frames) ),
        message => $message,
        %row,
        sites => \@sites
    )
} grep { $_->[0] =~ /^J(\d+)$/ && $1 >= 33 } @WRONG;

# Without the status of a header block.
sub as_trailers ($frame) {
    my ( undef, $type, $flags, undef, $block ) = unpack 'a3CCNa*', $frame;
    return $type == 1 && $block =~ s/^\x88//
      ? h2( $type, $flags, 1, $block )
      : $frame;
}

my @core = (
    row(
        B11a => 'nobody listens',
        undef, conf => 'grpc_pass grpc://%%closed%%;'
    ),
    row( E5 => 'closed without a response', [ 'read_some', 'close' ] ),
    row( E1 => 'reset without a response',  [ 'read_some', 'rst' ] ),
    row(
        E5 => 'closed after its settings',
        [ 'read_some', [ write => h2_settings() ], 'fin', 'hold' ]
    ),
    row(
        E5c => 'closed inside its header',
        [
            'read_some', [ write => h2_settings() . h2( 1, 4, 1, "\x88", 50 ) ],
            'fin',       'hold'
        ]
    ),
    row(
        E6 => 'no answer in time',
        frames(),
        conf   => "grpc_read_timeout 300ms; $GRPC",
        status => 504
    ),
    row(
        E7 => 'a header larger than the buffer',
        frames( h2( 1, 0, 1, "\x88\x00\x01x\x7f\xc9\x26" . 'y' x 5000 ) ),
        conf  => $SMALL,
        until => '1.31.2'
    ),
    row(
        H3 => 'the application says 502',
        frames( h2_headers( "\x08\x03502", 5 ) ),
        origin          => 'upstream',
        received_status => 502
    ),
    row(
        '-' => 'a plain success',
        frames( h2_headers(), h2( 0, 1, 1, 'whole' ) )
    ),
);

# A response has begun, then come these frames.
my @begun = map {
    my ( $site, $name, $frames, $message, %row ) = @$_;
    body( $site, $name, begun($frames), message => $message, %row )
} (
    [
        J16 => 'CONTINUATION inside the body',
        h2( 9, 4, 1, 'x' ), qr/frame: 9$/
    ],
    [ J17 => 'DATA of another stream', h2( 0, 0, 3, 'x' ), qr/stream 3$/ ],
    [
        J20 => 'HEADERS of another stream inside the body',
        h2( 1, 4, 3, "\x88" ), qr/stream 3$/
    ],
    [
        J21 => 'HEADERS after the end of the stream',
        h2( 0, 1, 1, 'end' ) . h2( 1, 4, 1, "\x88" ), qr/stream 1$/
    ],
    [
        J22 => 'the stream is cancelled inside the body',
        h2( 3, 0, 1, pack 'N', 8 ), qr/error 8$/
    ],
    [
        J23 => 'RST_STREAM twice',
        h2( 0, 1, 1, 'end' ) . h2( 3, 0, 1, pack 'N', 0 ) x 2, qr/stream 1$/
    ],
    [ J24 => 'GOAWAY inside the body', h2( 7, 0, 0, $GOAWAY ), qr/error 11$/ ],
    [
        J25 => 'PUSH_PROMISE inside the body',
        h2( 5, 4, 1, pack( 'N', 2 ) . "\x88" )
    ],
    [
        J26 => 'a status in the trailers',
        h2( 1, 5, 1, "\x88" ), qr/":status: 200"$/
    ],
    [
        J27 => 'trailers that do not end the stream',
        h2( 1, 4, 1, "\x00\x01x\x01y" )
    ],
    [
        J37 => 'broken trailers',
        h2( 1, 5, 1, "\xff\x00" ), undef, sites => [qw(J37 J28)]
    ],
    [ J29 => 'padded DATA without room for the padding', h2( 0, 8, 1, '' ) ],
    [
        J30 => 'more padding than DATA',
        h2( 0, 8, 1, "\xffx" ), qr/padding: 255/
    ],
    [
        I9 => 'stalled inside the body',
        '', undef, conf => "grpc_read_timeout 1s; $GRPC"
    ],
);

my @body = (

    # Before 1.31.4 an empty response passed for whole.
    body(
        J14 => 'the stream ends with its header',
        frames( h2_headers( "\x88\x0f\x0d\x02" . '55', 5 ) )
    ),
    body(
        J15 => 'the stream ends before its Content-Length',
        frames(
            h2_headers( "\x88\x0f\x0d\x02" . '55' ), h2( 0, 1, 1, 'part' )
        )
    ),
    body(
        J31 => 'more DATA than Content-Length',
        frames( h2_headers( "\x88\x0f\x0d\x01" . '2' ), $PART )
    ),
    body(
        J32 => 'more DATA than Content-Length, in parts',
        [
            'read_some',
            [
                    write => h2_settings()
                  . h2_headers( "\x88\x0f\x0d\x01" . '2' )
                  . h2( 0, 0, 1, 'p', 4 )
            ],
            [ pause => 0.1 ],
            [ write => 'art' ],
            'hold'
        ]
    ),
    body(
        I2 => 'closed inside the body',
        [
            'read_some', [ write => h2_settings() . h2_headers() . $PART ],
            'fin',       'hold'
        ]
    ),
    body(
        I4 => 'reset inside the body',
        [
            'read_some',
            [ write => h2_settings() . h2_headers() . $PART ],
            [ pause => 0.1 ], 'rst'
        ]
    ),
);

# What is longer than HTTP/2 has numbers for never leaves nginx.
my $LONG   = 'a' x 2_200_000;
my @limits = map {
    my ( $site, $what, %row ) = @$_;
    {
        name   => "$what of two megabytes",
        site   => $site,
        conf   => 'grpc_pass grpc://%%closed%%;',
        status => 500,
        %row,
    }
} (
    [ A15a => 'a method', method => uc $LONG ],
    [ A15b => 'a URI',    args   => "/$LONG" ],
    [
        A15c     => 'a host',
        headers  => ["X-Host: $LONG"],
        conf     => 'grpc_pass grpc://$http_x_host:80;',
        upstream => undef,
    ],
    [
        A15e    => 'a value that is set',
        headers => ["X-Long: $LONG"],
        conf    => 'grpc_set_header X $http_x_long;
            grpc_pass grpc://%%closed%%;',
    ],
    [ A15f => 'the name of a field', headers => ["$LONG: b"] ],
    [ A15g => 'a field',             headers => ["X-Long: $LONG"] ],
);

# A cached connection that has spoken HTTP/1 before.
my $mixed = {
    site => 'D11',
    name => 'a cached HTTP/1 connection is used for gRPC',
    b    => sequence(
        [ 'read', [ write => http_ok() ], 'hold' ],
        frames( h2_headers(), h2( 0, 1, 1, 'whole' ) )
    ),
    http   => 'upstream %%u%% { server %%b%%; keepalive 4; }',
    conf   => 'grpc_pass grpc://%%u%%;',
    server => 'location = %%loc%%first { proxy_http_version 1.1;
        proxy_set_header Connection ""; proxy_pass http://%%u%%; }',
    before => sub ( $t, $row ) { return $t->get("/r$row->{number}first") },
    saved  => 1,
    reused => 1,
};

# proxy_http_version 2 has the same sites.
my @rows     = ( @header, @in_body, @core, @begun, @body, @limits );
my @proxy_v2 = map {
    {
        %$_,
          name => "proxy: $_->{name}",
          site => $_->{site} eq 'I4' ? 'I3' : $_->{site},    # buffered
          conf => $_->{conf} =~
          s{grpc_pass grpc://}{proxy_http_version 2; proxy_pass http://}r =~
          s{grpc_}{proxy_}gr,
    }
} @rows;

play( [ @rows, $mixed, @proxy_v2 ],
    http => 'large_client_header_buffers 4 4m;' );
