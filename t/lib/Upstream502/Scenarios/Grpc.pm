# grpc_pass, and proxy_pass with HTTP/2.

package Upstream502::Scenarios::Grpc;

use v5.36;

use Upstream502::Backend          qw(sequence);
use Upstream502::Scenarios::Http2 qw(frames begun row @HEADER @IN_BODY);
use Upstream502::Wire;

my $PASS    = 'grpc_pass grpc://%%b%%;';
my $GOAWAY  = pack 'NN', 0, 11;

my @core = (
    row(
        'B11a', 'nobody listens', undef,
        conf  => 'grpc_pass grpc://%%closed%%;',
        cause => 'connection_refused',
        phase => 'connect',
        errno => 111,
    ),
    row(
        'E5',
        'closed without a response',
        [ 'read_some', 'close' ],
        cause => 'closed_before_response',
    ),
    row(
        'E1', 'reset without a response', [ 'read_some', 'rst' ],
        cause => 'reset_before_response',
        errno => 104,
    ),
    row(
        'E5c',
        'closed after its settings',
        [ 'read_some', [ write => h2_settings() ], 'fin', 'hold' ],
        site  => 'E5',
        cause => 'closed_before_response',
    ),
    row(
        'E5c',
        'closed inside its header',
        [
            'read_some',
            [ write => h2_settings() . h2( 1, 4, 1, "\x88", 50 ) ],
            'fin', 'hold'
        ],
        cause => 'header_incomplete',
    ),
    row(
        'E6', 'no answer in time',
        frames(),
        conf   => "grpc_read_timeout 300ms; $PASS",
        status => 504,
        cause  => 'read_timeout',
        errno  => 110,
    ),
    row(
        'E7',
        'a header larger than the buffer',
        frames( h2( 1, 0, 1, "\x88\x00\x01x\x7f\xc9\x26" . 'y' x 5000 ) ),
        conf  => "grpc_buffer_size 4k; $PASS",
        until => '1.31.2',
        cause => 'header_too_big',
    ),
    row(
        'H3', 'the application says 502',
        frames( h2_headers( "\x08\x03502", 5 ) ),
        cause           => 'error_status',
        origin          => 'upstream',
        received_status => 502,
    ),
);

sub body ( $site, $name, $script, %row ) {
    return row(
        $site, $name, $script,
        status  => 200,
        outcome => 'open',
        phase   => 'body',
        %row
    );
}

my @body = (
    body(
        'J15',
        'the stream ends before its Content-Length',
        frames(
            h2_headers( "\x88\x0f\x0d\x02" . '55' ), h2( 0, 1, 1, 'part' )
        ),
        cause   => 'body_incomplete',
        message => qr/^upstream prematurely closed stream$/,
    ),
    body(
        'J16',
        'CONTINUATION inside the body',
        begun( h2( 9, 4, 1, 'x' ) ),
        message => qr/^upstream sent unexpected http2 frame: 9$/,
    ),
    body(
        'J17',
        'DATA of another stream',
        begun( h2( 0, 0, 3, 'x' ) ),
        message => qr/^upstream sent data frame for unknown stream 3$/,
    ),
    body(
        'J20',
        'HEADERS of another stream inside the body',
        begun( h2( 1, 4, 3, "\x88" ) ),
        message => qr/^upstream sent frame for unknown stream 3$/,
    ),
    body(
        'J25',
        'PUSH_PROMISE inside the body',
        begun( h2( 5, 4, 1, pack( 'N', 2 ) . "\x88" ) ),
        message => qr/^upstream sent unexpected push promise frame$/,
    ),
    body(
        'J26',
        'a status in the trailers',
        begun( h2( 1, 5, 1, "\x88" ) ),
        message => qr/^upstream sent invalid trailer ":status: 200"$/,
    ),
    body(
        '-',
        'broken trailers',
        begun( h2( 1, 5, 1, "\xff\x00" ) ),
        sites   => [qw(J37 J28)],
        message => qr/^upstream sent invalid http2 table index/,
    ),
    body(
        'J30',
        'more padding than DATA',
        begun( h2( 0, 8, 1, "\xffx" ) ),
        message => qr/^upstream sent http2 frame with too long padding: 255/,
    ),
    body(
        'J22', 'the stream is cancelled inside the body',
        begun( h2( 3, 0, 1, pack 'N', 8 ) ),
        cause   => 'body_incomplete',
        message => qr/^upstream rejected request with error 8$/,
    ),
    body(
        'J24', 'GOAWAY inside the body',
        begun( h2( 7, 0, 0, $GOAWAY ) ),
        cause   => 'body_incomplete',
        message => qr/^upstream sent goaway with error 11$/,
    ),
    body(
        'J27',
        'trailers that do not end the stream',
        begun( h2( 1, 4, 1, "\x00\x01x\x01y" ) ),
        message => qr/^upstream sent trailer without end stream flag$/,
    ),
    body(
        'J29',
        'padded DATA without room for the padding',
        begun( h2( 0, 8, 1, '' ) ),
        message => qr/^upstream sent too short http2 frame$/,
    ),
    body(
        'J31',
        'more DATA than Content-Length',
        frames( h2_headers( "\x88\x0f\x0d\x01" . '2' ), h2( 0, 0, 1, 'part' ) ),
        message => qr/^upstream sent response body larger than indicated/,
    ),
    body(
        'I2',
        'closed inside the body',
        [
            'read_some',
            [ write => h2_settings() . h2_headers() . h2( 0, 0, 1, 'part' ) ],
            'fin', 'hold'
        ],
        cause => 'body_incomplete',
    ),
    body(
        'I4',
        'reset inside the body',
        [
            'read_some',
            [ write => h2_settings() . h2_headers() . h2( 0, 0, 1, 'part' ) ],
            [ pause => 0.1 ], 'rst'
        ],
        cause => 'body_incomplete',
        errno => 104,
    ),
    body(
        'J21',
        'HEADERS after the end of the stream',
        begun( h2( 0, 1, 1, 'end' ), h2( 1, 4, 1, "\x88" ) ),
        message => qr/^upstream sent frame for closed stream 1$/,
    ),
    body(
        'J23',
        'RST_STREAM twice',
        begun( h2( 0, 1, 1, 'end' ), ( h2( 3, 0, 1, pack 'N', 0 ) ) x 2 ),
        message => qr/^upstream sent frame for closed stream 1$/,
    ),
    body(
        'J14',
        'the stream ends with its header',
        frames( h2_headers( "\x88\x0f\x0d\x02" . '55', 5 ) ),
        since   => '1.31.4',    # before, an empty response passed for whole
        cause   => 'body_incomplete',
        message => qr/^upstream prematurely closed stream$/,
    ),
    body(
        'J32',
        'more DATA than Content-Length, in parts',
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
        ],
        message => qr/^upstream sent response body larger than indicated/,
    ),
    body(
        'I9',
        'stalled inside the body',
        begun(),
        conf  => "grpc_read_timeout 1s; $PASS",
        cause => 'body_timeout',
        errno => 110,
    ),
    row(
        '-',
        'a plain success',
        frames( h2_headers(), h2( 0, 1, 1, 'whole' ) ),
        status => 200,
        failed => 0,
    ),
);

# What is longer than HTTP/2 has numbers for never leaves nginx.
my $LONG   = 2_200_000;
my @limits = map {
    my ( $site, $what, %row ) = @$_;
    {
        name     => "$what of two megabytes",
        site     => $site,
        conf     => 'grpc_pass grpc://%%closed%%;',
        status   => 500,
        cause    => 'internal_error',
        phase    => 'resolve',
        attempts => 0,
        failures => 1,
        causes   => qr/./,
        protocol => 'grpc',
        %row,
    }
} (
    [ A15a => 'a method', method => 'A' x $LONG ],
    [ A15b => 'a URI', args => '/' . 'a' x $LONG ],
    [
        A15c    => 'a host',
        headers => [ 'X-Host: ' . 'a' x $LONG ],
        conf    => 'grpc_pass grpc://$http_x_host:80;',
        upstream => undef,
    ],
    [
        A15e    => 'a value that is set',
        headers => [ 'X-Long: ' . 'a' x $LONG ],
        conf    => 'grpc_set_header X $http_x_long;
            grpc_pass grpc://%%closed%%;',
    ],
    [ A15f => 'the name of a field', headers => [ 'a' x $LONG . ': b' ] ],
    [ A15g => 'a field', headers => [ 'X-Long: ' . 'a' x $LONG ] ],
);

our %OPTIONS = ( http => 'large_client_header_buffers 4 4m;' );

# A cached connection that has spoken HTTP/1 before.
my @mixed = (
    {
        site  => 'D11',
        name  => 'a cached HTTP/1 connection is used for gRPC',
        until => '1.29.7',
        b     => sequence(
            [ 'read', [ write => http_ok() ], 'hold' ],
            frames( h2_headers(), h2( 0, 1, 1, 'whole' ) )
        ),
        http   => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf   => 'grpc_pass grpc://%%u%%;',
        server => 'location = %%loc%%first { proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_pass http://%%u%%; }',
        before => sub ( $t, $row ) {
            return $t->get("/r$row->{number}first");
        },
        status   => 200,
        rescued  => 1,
        attempts => 2,
        reused   => 1,
        cause    => 'internal_error',
        phase    => 'send',
        causes   => 'internal_error, -',
        message => qr/^no connection data found for keepalive http2 connection/,
    },
);

# proxy_http_version 2 has the same sites.
my @proxy_v2 = map {
    {
        %$_,
          name     => "proxy: $_->{name}",
          since    => $_->{since} && $_->{since} gt '1.29.4'
        ? $_->{since}
        : '1.29.4',
          protocol => 'http',
          site     => $_->{site} eq 'I4' ? 'I3' : $_->{site},    # buffered
          conf     => $_->{conf} =~
          s{grpc_pass grpc://}{proxy_http_version 2; proxy_pass http://}r =~
          s{grpc_}{proxy_}gr,
    }
} @HEADER, @IN_BODY, @core, @body, @limits;

sub rows () {
    return [ @HEADER, @IN_BODY, @core, @body, @limits, @mixed, @proxy_v2 ];
}

1;
