#!/usr/bin/perl

# proxy_pass over TLS: the handshake, certificates, and what comes after.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Upstream502::Backend qw(sequence);
use Upstream502::Runner;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

plan skip_all => "IO::Socket::SSL is not installed"
  if !eval { require IO::Socket::SSL::Utils };

my $TLS = 'proxy_ssl_name tls.test; proxy_pass https://%%b%%;';
my $DIR;

# Backends that have no TLS, or break it.
my $NO_TLS =
  [ 'read_some', [ write => "HTTP/1.1 400 Bad Request\r\n\r\n" ], 'hold' ];
my $GARBAGE = [ write_raw => "\x17\x03\x03\x00\x20" . 'garbage!' x 4 ];
my $PART    = [ write     => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ];

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

# What OpenSSL says where a handshake fails, with a name and without.
my @HANDSHAKE =
  ( [ qr/^openssl s_client/ => qr/errno=|:error:|\(NONE\)/, qr/Cipher is [A-Z]/ ] );

my $YESTERDAY = strftime( '%b %e', gmtime time - 86400 );

my $VERSIONS = [
    qr/for v in/ => qr/^tls1_2: (?:.*NONE.*)?$/m,
    qr/^tls1_2: .*Cipher is [A-Z]/m
];

# OpenSSL's verdict.
sub verdict ($code) {
    my ( $fault, $well ) = map { qr/ca\.pem: Verify return code: $_ / } $code, 0;
    return [ qr/verify_depth/ => $fault, $well ];
}

# What is well once it is repaired.
my @WELL = ( well => [ tls('good'), 'read', [ write => http_last() ], 'close' ] );

# A row whose backend is to speak TLS.
sub over_tls (%row) { return { conf => $TLS, %row } }

my $VERIFY = 'proxy_ssl_verify on; proxy_ssl_trusted_certificate
    %%DIR%%/ca.pem;';

my @handshake = (
    over_tls(
        name   => 'closed inside the handshake',
        site   => 'C6a',
        b      => [ 'read_some', 'close' ],
        checks => [ @HANDSHAKE, $VERSIONS ],
        @WELL,
    ),
    over_tls(
        name    => 'reset inside the handshake',
        site    => 'C6b',
        b       => [ 'read_some', 'rst' ],
        errno   => 104,
        message => qr/^peer closed connection in SSL handshake \(104: /,
    ),
    over_tls(
        name    => 'a fatal alert',
        site    => 'C7a',
        b       => [ 'read_some', [ write => tls_alert(40) ], 'hold' ],
        message => qr/^SSL_do_handshake\(\) failed \(SSL: .*alert number 40\)/,
        checks  => [ @HANDSHAKE, $VERSIONS ],
        @WELL,
    ),
    over_tls(
        name => 'an alert that no name fits',
        site => 'C7a',
        b    => [ 'read_some', [ write => tls_alert(112) ], 'hold' ],
    ),
    over_tls(
        name    => 'plain HTTP where TLS is expected',
        site    => 'C7b',
        b       => $NO_TLS,
        message => qr/wrong version number/,
        finding => 'wrong_protocol',
        says    => 'does not speak TLS',
        checks  => [
            [ qr/^curl / => qr/wrong version number/, qr{^HTTP/1\.1 200} ],
            [ qr/^ss /   => qr/^LISTEN /m, \'it listens, before and after' ],
        ],
        @WELL,
    ),
    over_tls(
        name => 'no protocol version in common',
        site => 'C7a',
        b    => [ tls( 'good', version => 'TLSv1_3' ), 'hold' ],
        conf => "proxy_ssl_protocols TLSv1.2; $TLS",
        checks => [
            [
                qr/for v in/ => qr/^tls1_2: .*\(NONE\).*^tls1_3: .*Cipher is TLS_/ms,
                qr/^tls1_2: .*Cipher is [A-Z]/m
            ],
        ],
        @WELL,
    ),
    over_tls(
        name   => 'a handshake that does not end',
        site   => 'C10',
        b      => [ 'read_some', 'hold' ],
        conf   => "proxy_connect_timeout 300ms; $TLS",
        status => 504,
        checks => [
            [ qr/^timeout 10 openssl s_client/ => qr/^no handshake within 10 s$/m, qr/Cipher is [A-Z]/ ],
            [ qr/Recv-Q wait/       => qr/^LISTEN +0 /m, \'it takes connections' ],
        ],
        @WELL,
    ),
    over_tls(
        name => 'a server name too long for TLS',
        site => 'C2',
        b    => [ tls('good'), 'hold' ],
        conf => 'proxy_ssl_server_name on; proxy_ssl_name '
          . 'x' x 300
          . '; proxy_pass https://%%b%%;',
        status => 500,
    ),
    (
        map {
            my ( $site, $name, $certificate, $key, $message ) = @$_;
            over_tls(
                name => $name,
                site => $site,
                b    => [ tls('good'), 'hold' ],
                conf => "set \$c %%DIR%%/$certificate; set \$k %%DIR%%/$key;
                    proxy_ssl_certificate \$c; proxy_ssl_certificate_key \$k;
                    proxy_pass https://%%b%%;",
                status  => 500,
                message => $message,
                $site eq 'C3a' ? ( checks => [], repair => sub (@) { return } ) : (),
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
    over_tls(
        name    => 'no protocol version that OpenSSL allows',
        site    => 'C7c',
        b       => ['hold'],
        conf    => "proxy_ssl_protocols SSLv3; $TLS",
        message => qr/no protocols available/,
    ),
    {
        name => 'nobody listens on the TLS port',
        site => 'B11c',
        conf => 'proxy_pass https://%%closed%%;',
    },
);

my @certificate = (
    over_tls(
        name    => 'a certificate nobody signed',
        site    => 'C8',
        b       => [ tls('stranger'), 'hold' ],
        conf    => "$VERIFY $TLS",
        message => qr/^upstream SSL certificate verify error: \(\d+:/,
        finding => 'certificate_untrusted',
        says    => 'is signed by itself',
        checks  => [
            [ qr/^openssl s_client/ => qr/^subject=(.*)\nissuer=\1$/m, qr/^issuer=CN = ca$/m ],
            verdict(18),
            [ qr/^nginx -T/    => qr/proxy_ssl_trusted_certificate/, \'the service is repaired' ],
        ],
        @WELL,
    ),
    over_tls(
        name    => 'an expired certificate',
        site    => 'C8',
        b       => [ tls('expired'), 'hold' ],
        conf    => "$VERIFY $TLS",
        message => qr/\(10:certificate has expired\)$/,
        finding => 'certificate_expired',
        says => '^the certificate of %%b%% expired \d{4}-\d\d-\d\d .* ago\)$',
        checks => [
            [
                qr/-dates; date -u$/ => qr/^notAfter=$YESTERDAY [^\n]*GMT\n.* UTC/ms,
                qr/^notAfter=(?!$YESTERDAY)[^\n]*GMT\n.* UTC/ms
            ],
            verdict(10),
        ],
        @WELL,
    ),
    over_tls(
        name    => 'a certificate for another name',
        site    => 'C9',
        finding => 'certificate_name',
        says    => 'but for tls\.test$',
        checks  => [
            [
                qr/^openssl s_client/ => qr/DNS:tls\.test\n.*evil\.test does NOT match/s,
                qr/DNS:evil\.test\n.*evil\.test does match/s
            ]
        ],
        well    => [ tls('evil'), 'hold' ],
        after   => sub ( $t, @ ) {
            my ($d) = grep { $_->{cause} eq 'tls_certificate_invalid'
                  && $_->{summary} =~ /evil\.test/ } @{ $t->status->{diagnoses} };
            ok scalar( grep { /^proxy_ssl_name tls\.test;  #/ } @{ $d->{checks} } ),
              'the check has a name of the certificate';
        },
        b       => [ tls('good'), 'hold' ],
        conf => "$VERIFY proxy_ssl_name evil.test; proxy_pass https://%%b%%;",
        message => qr/^upstream SSL certificate does not match "evil\.test"$/,
    ),
    {
        name => 'the right certificate',
        b    => [ tls('good'), 'read', [ write => http_ok() ], 'close' ],
        conf => "$VERIFY $TLS",
    },
);

# Behind a finished handshake FIN and RST look the same.
my @later = (
    over_tls(
        name => 'closed without a response',
        site => 'E5',
        b    => [ tls('good'), 'read', 'close' ],
    ),
    over_tls(
        name => 'reset without a response',
        site => 'E5',
        b    => [ tls('good'), 'read', 'rst' ],
    ),
    over_tls(
        name => 'closed inside the header',
        site => 'E5c',
        b    =>
          [ tls('good'), 'read', [ write => "HTTP/1.1 200 OK\r\n" ], 'close' ],
    ),
    over_tls(
        name   => 'no answer in time',
        site   => 'E6',
        b      => [ tls('good'), 'read', 'hold' ],
        conf   => "proxy_read_timeout 300ms; $TLS",
        status => 504,
    ),
    over_tls(
        name => 'a record that cannot be read',
        site => 'E4b',
        b    => [ tls('good'), 'read', $GARBAGE, 'hold' ],
    ),
    over_tls(
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
        conf    => "proxy_ssl_protocols TLSv1.3; $TLS",
        message => qr/alert certificate required/,
        checks  => [
            [
                qr/^openssl s_client/ => qr/^Requested Signature Algorithms/m,
                qr/^No client certificate CA names sent/m
            ]
        ],
        well => [ tls( 'good', version => 'TLSv1_3' ), 'hold' ],
    ),
    over_tls(
        name => 'closed inside the body',
        site => 'I1',
        b    => [ tls('good'), 'read', $PART, 'close' ],
    ),
    over_tls(
        name => 'a record inside the body that cannot be read',
        site => 'I7',
        b => [ tls('good'), 'read', $PART, [ pause => 0.1 ], $GARBAGE, 'hold' ],
    ),
    over_tls(
        name => 'closed on reuse',
        site => 'E5b',
        b    => sequence(
            [ tls('good'), 'read', [ write => http_ok() ], 'read', 'close' ],
            [ tls('good'), 'read', [ write => http_ok() ], 'close' ],
        ),
        http => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf => "$KEEPALIVE proxy_ssl_name tls.test; proxy_pass https://%%u%%;",
        warmup => 1,
        saved  => 1,
        reused => 1,
    ),
);

# The same for the other protocols that TLS can carry.
my @protocols = map {
    my ( $protocol, $pass ) = @$_;
    (
        over_tls(
            name => "$protocol: nobody listens",
            site => 'B11c',
            conf => $pass =~ s/%%b%%/%%closed%%/r,
        ),
        over_tls(
            name => "$protocol: closed inside the handshake",
            site => 'C6a',
            b    => [ 'read_some', 'close' ],
            conf => $pass,
        ),
        over_tls(
            name => "$protocol: no TLS",
            site => 'C7b',
            b    => $NO_TLS,
            conf => $pass,
        ),
        over_tls(
            name => "$protocol: closed without a response",
            site => 'E5',
            b    => [ tls('good'), 'read_some', 'close' ],
            conf => $pass,
        ),
    )
  } [ suwsgi => 'uwsgi_param A b; uwsgi_pass suwsgi://%%b%%;' ],
  [ grpcs => 'grpc_pass grpcs://%%b%%;' ];

play( [ @handshake, @certificate, @later, @protocols ], setup => \&setup );
