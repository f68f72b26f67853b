# proxy_pass over TLS: the handshake, certificates, and what comes after.

package Upstream502::Scenarios::Tls;

use v5.36;

use Upstream502::Backend qw(sequence);
use Upstream502::Tls     qw(make_certificates);
use Upstream502::Wire;

my $PASS = 'proxy_ssl_name tls.test; proxy_pass https://%%b%%;';
my $DIR;

sub setup ($t) {
    $DIR = $t->dir;
    make_certificates($DIR);
}

# A handshake step; the folder is only known when it is played.
sub tls ( $certificate, %options ) {
    return [
        tls => sub {
            return (
                SSL_cert_file => "$DIR/$certificate.pem",
                SSL_key_file  => "$DIR/$certificate.key",
                SSL_version   => $options{version} // 'TLSv1_2',
                $options{client_certificate}
                ? ( SSL_verify_mode => 3, SSL_ca_file => "$DIR/ca.pem" )
                : ( SSL_verify_mode => 0 ),
            );
        }
    ];
}

sub failing (%row) {
    return {
        conf     => $PASS,
        cause    => 'tls_protocol_error',
        phase    => 'tls',
        protocol => 'https',
        %row,
    };
}

my $VERIFY = 'proxy_ssl_verify on; proxy_ssl_trusted_certificate
    %%DIR%%/ca.pem;';

my @handshake = (
    failing(
        name    => 'closed inside the handshake',
        site    => 'C6a',
        b       => [ 'read_some', 'close' ],
        cause   => 'tls_closed',
        message => qr/^peer closed connection in SSL handshake$/,
    ),
    failing(
        name    => 'reset inside the handshake',
        site    => 'C6b',
        b       => [ 'read_some', 'rst' ],
        cause   => 'tls_closed',
        errno   => 104,
        message => qr/^peer closed connection in SSL handshake \(104: /,
    ),
    failing(
        name    => 'a fatal alert',
        site    => 'C7a',
        b       => [ 'read_some', [ write => tls_alert(40) ], 'hold' ],
        message => qr/^SSL_do_handshake\(\) failed \(SSL: .*alert number 40\)/,
    ),
    failing(
        name => 'an alert that no name fits',
        site => 'C7a',
        b    => [ 'read_some', [ write => tls_alert(112) ], 'hold' ],
    ),
    failing(
        name => 'plain HTTP where TLS is expected',
        site => 'C7b',
        b    => [
            'read_some', [ write => "HTTP/1.1 400 Bad Request\r\n\r\n" ],
            'hold'
        ],
        message => qr/wrong version number/,
    ),
    failing(
        name => 'no protocol version in common',
        site => 'C7a',
        b    => [ tls( 'good', version => 'TLSv1_3' ), 'hold' ],
        conf => "proxy_ssl_protocols TLSv1.2; $PASS",
    ),
    failing(
        name   => 'a handshake that does not end',
        site   => 'C10',
        b      => [ 'read_some', 'hold' ],
        conf   => "proxy_connect_timeout 300ms; $PASS",
        status => 504,
        cause  => 'tls_timeout',
        errno  => 110,
    ),
    failing(
        name => 'a server name too long for TLS',
        site => 'C2',
        b    => [ tls('good'), 'hold' ],
        conf => 'proxy_ssl_server_name on; proxy_ssl_name '
          . 'x' x 300
          . '; proxy_pass https://%%b%%;',
        status  => 500,
        cause   => 'internal_error',
        message => qr/^SSL_set_tlsext_host_name\(/,
    ),
    (
        map {
            my ( $site, $name, $certificate, $key, $message ) = @$_;
            failing(
                name => $name,
                site => $site,
                b    => [ tls('good'), 'hold' ],
                conf => "set \$c %%DIR%%/$certificate; set \$k %%DIR%%/$key;
                    proxy_ssl_certificate \$c; proxy_ssl_certificate_key \$k;
                    proxy_pass https://%%b%%;",
                status  => 500,
                cause   => 'internal_error',
                message => $message,
            )
        } (
            [
                C3a => 'a client certificate that is not there',
                'missing.pem', 'good.key', qr/^cannot load certificate "/
            ],
            [
                C3b => 'a key that is not there',
                'good.pem', 'missing.key', qr/^cannot load certificate key "/
            ],
            [
                C3c => 'a client certificate of a small key',
                'weak.pem', 'weak.key', qr/^SSL_use_certificate\(/
            ],
            [
                C3d => 'an issuer of a small key',
                'chain.pem', 'good.key', qr/^SSL_set0_chain\(/
            ],
            [
                C3e => 'the key of another certificate',
                'good.pem', 'stranger.key', qr/^SSL_use_PrivateKey\(/
            ],
        )
    ),
    failing(
        name    => 'no protocol version that OpenSSL allows',
        site    => 'C7c',
        b       => ['hold'],
        conf    => "proxy_ssl_protocols SSLv3; $PASS",
        message => qr/no protocols available/,
    ),
    {
        name  => 'nobody listens on the TLS port',
        site  => 'B11c',
        conf  => 'proxy_pass https://%%closed%%;',
        cause => 'connection_refused',
        phase => 'connect',
        errno => 111,
    },
);

my @certificate = (
    failing(
        name    => 'a certificate nobody signed',
        site    => 'C8',
        b       => [ tls('stranger'), 'hold' ],
        conf    => "$VERIFY $PASS",
        cause   => 'tls_certificate_invalid',
        message => qr/^upstream SSL certificate verify error: \(\d+:/,
    ),
    failing(
        name    => 'an expired certificate',
        site    => 'C8',
        b       => [ tls('expired'), 'hold' ],
        conf    => "$VERIFY $PASS",
        cause   => 'tls_certificate_invalid',
        message => qr/\(10:certificate has expired\)$/,
    ),
    failing(
        name  => 'a certificate for another name',
        site  => 'C9',
        b     => [ tls('good'), 'hold' ],
        conf  => "$VERIFY proxy_ssl_name evil.test; proxy_pass https://%%b%%;",
        cause => 'tls_certificate_invalid',
        message => qr/^upstream SSL certificate does not match "evil\.test"$/,
    ),
    {
        name   => 'the right certificate',
        site   => '-',
        b      => [ tls('good'), 'read', [ write => http_ok() ], 'close' ],
        conf   => "$VERIFY $PASS",
        status => 200,
        failed => 0,
    },
);

# Behind a finished handshake FIN and RST look the same.
my @later = (
    failing(
        name  => 'closed without a response',
        site  => 'E5',
        b     => [ tls('good'), 'read', 'close' ],
        cause => 'closed_before_response',
        phase => 'header',
    ),
    failing(
        name  => 'reset without a response',
        site  => 'E5',
        b     => [ tls('good'), 'read', 'rst' ],
        cause => 'closed_before_response',
        phase => 'header',
    ),
    failing(
        name => 'closed inside the header',
        site => 'E5c',
        b    =>
          [ tls('good'), 'read', [ write => "HTTP/1.1 200 OK\r\n" ], 'close' ],
        cause => 'header_incomplete',
        phase => 'header',
    ),
    failing(
        name   => 'no answer in time',
        site   => 'E6',
        b      => [ tls('good'), 'read', 'hold' ],
        conf   => "proxy_read_timeout 300ms; $PASS",
        status => 504,
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
    ),
    failing(
        name => 'a record that cannot be read',
        site => 'E4b',
        b    => [
            tls('good'),                                              'read',
            [ write_raw => "\x17\x03\x03\x00\x20" . 'garbage!' x 4 ], 'hold'
        ],
        message => qr/^SSL_read\(\) failed \(SSL: /,
    ),
    failing(
        name => 'a client certificate is wanted, TLS 1.3',
        site => 'E4a',
        b    => [
            tls(
                'good',
                version            => 'TLSv1_3',
                client_certificate => 1,
            ),
            'hold'
        ],
        conf    => "proxy_ssl_protocols TLSv1.3; $PASS",
        message => qr/alert certificate required/,
    ),
    failing(
        name => 'closed inside the body',
        site => 'I1',
        b    => [
            tls('good'), 'read',
            [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ],
            'close'
        ],
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
    ),
    failing(
        name => 'a record inside the body that cannot be read',
        site => 'I7',
        b    => [
            tls('good'),
            'read',
            [ write     => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ],
            [ pause     => 0.1 ],
            [ write_raw => "\x17\x03\x03\x00\x20" . 'garbage!' x 4 ],
            'hold'
        ],
        status  => 200,
        outcome => 'cut',
        cause   => qr/^(?:body_incomplete|tls_protocol_error)$/,
        phase   => 'body',
    ),
    failing(
        name => 'closed on reuse',
        site => 'E5b',
        b    => sequence(
            [ tls('good'), 'read', [ write => http_ok() ], 'read', 'close' ],
            [ tls('good'), 'read', [ write => http_ok() ], 'close' ],
        ),
        http => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf => 'proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_ssl_name tls.test; proxy_pass https://%%u%%;',
        warmup   => 1,
        status   => 200,
        rescued  => 1,
        attempts => 2,
        reused   => 1,
        cause    => 'keepalive_race',
        phase    => 'header',
        causes   => 'keepalive_race, -',
    ),
);

# The same for the other protocols that TLS can carry.
my @protocols = map {
    my ( $protocol, $pass ) = @$_;
    (
        failing(
            name     => "$protocol: nobody listens",
            site     => 'B11c',
            conf     => $pass =~ s/%%b%%/%%closed%%/r,
            cause    => 'connection_refused',
            phase    => 'connect',
            errno    => 111,
            protocol => $protocol,
        ),
        failing(
            name     => "$protocol: closed inside the handshake",
            site     => 'C6a',
            b        => [ 'read_some', 'close' ],
            conf     => $pass,
            cause    => 'tls_closed',
            protocol => $protocol,
        ),
        failing(
            name => "$protocol: no TLS",
            site => 'C7b',
            b    => [
                'read_some', [ write => "HTTP/1.1 400 Bad Request\r\n\r\n" ],
                'hold'
            ],
            conf     => $pass,
            protocol => $protocol,
        ),
        failing(
            name     => "$protocol: closed without a response",
            site     => 'E5',
            b        => [ tls('good'), 'read_some', 'close' ],
            conf     => $pass,
            cause    => 'closed_before_response',
            phase    => 'header',
            protocol => $protocol,
        ),
    )
  } [ suwsgi => 'uwsgi_param A b; uwsgi_pass suwsgi://%%b%%;' ],
  [ grpcs => 'grpc_pass grpcs://%%b%%;' ];

sub rows () {
    return [ @handshake, @certificate, @later, @protocols ];
}

1;
