#!/usr/bin/perl

# Reasons of a handshake that fails, told apart by the certificate that came, by
# the name that was sent, and by who refused.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::More;
use Upstream502::Diagnosis qw(edits);
use Upstream502::Runner;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

plan skip_all => "IO::Socket::SSL is not installed"
  if !eval { require IO::Socket::SSL::Utils };

my $DIR;

# Of 1024 bits: RFC 2409, group 2.
my $DH = <<'DH';
-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
DH

sub setup ($t) {
    $DIR = $t->dir;
    make_certificates($DIR);
    $t->write( 'dh.pem', $DH );
}

# A handshake of the backend; the folder is only known when it is played.
sub tls ( $certificate, $version = 'TLSv1_2' ) {
    return [
        tls => sub {
            return (
                SSL_cert_file   => "$DIR/$certificate.pem",
                SSL_key_file    => "$DIR/$certificate.key",
                SSL_version     => $version,
                SSL_verify_mode => 0,
            );
        }
    ];
}

# One that takes what is too weak, with its own certificate, and answers.
sub lax ( $certificate, $ciphers ) {
    my $load = sub ($context) {
        my $pem = Net::SSLeay::FILETYPE_PEM();
        Net::SSLeay::CTX_use_certificate_file( $context, "$DIR/$certificate.pem", $pem )
          && Net::SSLeay::CTX_use_PrivateKey_file( $context, "$DIR/$certificate.key", $pem )
          or die "no certificate\n";
        my $dh = Net::SSLeay::BIO_new_file( "$DIR/dh.pem", 'r' );
        Net::SSLeay::CTX_set_tmp_dh( $context, Net::SSLeay::PEM_read_bio_DHparams($dh) )
          or die "no parameters\n";
    };
    my $tls = sub {
        return (
            tls('good')->[1]->(),
            SSL_cipher_list         => "$ciphers:\@SECLEVEL=0",
            SSL_create_ctx_callback => $load,
        );
    };
    return [ [ tls => $tls ], 'read', [ write => http_last() ], 'close' ];
}

my $TLS    = 'proxy_ssl_name tls.test; proxy_pass https://%%b%%;';
my $VERIFY = "proxy_ssl_verify on;
    proxy_ssl_trusted_certificate %%DIR%%/ca.pem; $TLS";

# The verdict with what nginx trusts, and on what.
sub verdict ( $code, @more ) {
    return [ qr/verify_depth/ => qr/: Verify return code: $code /, qr/: Verify return code: 0 /, @more ];
}

sub dates ( $fault ) { return [ qr/-dates; date -u$/ => qr/$fault .*GMT/, qr/\A(?!.*$fault ).* UTC/s ] }

my @ISSUER = (
    [ qr/^nginx -T .*trusted/ => qr/proxy_ssl_verify on/, \'the service is repaired' ],
    [ qr/-subject -issuer/ => qr/^issuer=CN = (?!ca$)/m, qr/^issuer=CN = ca$/m ],
);

my %SHOWS = (
    expired  => [ verdict(10), dates( 'notAfter=' . day(-1) ) ],
    future   => [ verdict(9),  dates( 'notBefore=' . day(3) ) ],
    stranger => [ verdict(18), @ISSUER ],
    lone     => [ verdict(21), @ISSUER ],
    weak => [ verdict(66), [ qr/storeutl/ => qr/Public-Key: \(1024 bit\)/, qr/Public-Key: \(256 bit\)/ ] ],
    sha1 => [ verdict(68), [ qr/storeutl/ => qr/ecdsa-with-SHA1/, qr/ecdsa-with-SHA256/ ] ],
    issued => [ verdict(67) ],
    deep   => [
        verdict( 20, edits( 'proxy_ssl_verify on;', 'proxy_ssl_verify on; proxy_ssl_verify_depth 2;' ) ),
        [ qr/\[si\]:/ => qr/^ 2 s:CN = issuer 1\n/m, \'nginx looks at more of it' ],
    ],
);

sub day ($from_now) { return strftime( '%b %e', gmtime time + 86400 * $from_now ) }

# A certificate that nginx does not take.
sub certificate ( $name, $certificate, $finding, $says, %row ) {
    my @others = grep { $_ ne $finding }
      map { "certificate_$_" } qw(expired not_yet_valid name untrusted chain);
    return {
        name    => $name,
        site    => 'C8',
        b       => [ tls($certificate), 'hold' ],
        conf    => $VERIFY,
        finding => $finding,
        says    => $says,
        unsaid  => \@others,
        checks  => $SHOWS{$certificate},
        well    => [ tls( $certificate eq 'deep' ? 'deep' : 'good' ), 'hold' ],
        %row,
    };
}

# Who ended the handshake.
sub refused ( $name, $site, $script, $finding, $says, %row ) {
    my @others = grep { $_ ne $finding } qw(tls_alert tls_refused_here);
    return {
        name    => $name,
        site    => $site,
        b       => $script,
        conf    => $TLS,
        finding => $finding,
        says    => $says,
        unsaid  => \@others,
        %row,
    };
}

my @ALERT = ( 'read_some', [ write => tls_alert(112) ], 'hold' );

play(
    [
        certificate(
            'its time is over', 'expired',
            certificate_expired => 'expired \d{4}-\d\d-\d\d .* UTC \(24 hours ago\)$'
        ),
        certificate(
            'its time has not come', 'future',
            certificate_not_yet_valid =>
              'is not valid before \d{4}-\d\d-\d\d .* UTC \(in \d+ (?:hours|days)\): check the clocks'
        ),
        certificate(
            'signed by itself', 'stranger',
            certificate_untrusted => 'is signed by itself'
        ),
        certificate(
            'its issuer was not sent',
            'lone',
            certificate_chain =>
              'sent 1 certificate without that of its issuer .*issuer 2, which is not in proxy_ssl_trusted_certificate either$',
        ),
        certificate(
            'so many issuers are not asked for',
            'deep',
            certificate_chain =>
              'sent 3 certificates, of which proxy_ssl_verify_depth \(now 1\) lets nginx look at 2, .*: raise proxy_ssl_verify_depth$',
        ),
        {
            name    => 'its parameters are too small',
            site    => 'C7f',
            b       => lax( weak => 'DHE-RSA-AES128-GCM-SHA256' ),
            conf    => $TLS,
            finding => 'tls_refused_here',
            says    => '^nginx.s own TLS refused %%b%% \(dh key too small\)',
            unsaid  => [qw(tls_alert no_server_name certificate_untrusted)],
            checks  => [
                [ qr/Temp Key/ => qr/^Server Temp Key: DH, 1024 bits$/m, qr/^(?:Server|Peer) Temp Key: (?!DH)/m ],
            ],
            cure => qr/^proxy_ssl_ciphers /,
            well => [ tls('good'), 'hold' ],
        },
        (
            map {
                my ( $name, $certificate, $ciphers, $reason ) = @$_;
                certificate(
                    $name, $certificate,
                    tls_refused_here => "^nginx.s own TLS refused %%b%% \\($reason\\)",
                    b      => lax( $certificate, $ciphers ),
                    unsaid => 'no_server_name',
                    $certificate eq 'issued' ? ( conf => $VERIFY =~ s/ca\.pem/issuers.pem/r ) : (),
                )
            } [ 'its key is too small', 'weak', 'aRSA', 'ee key too small' ],
            [ 'it is signed with a weak digest',    'sha1',   'ALL', 'ca md too weak' ],
            [ 'the key of its issuer is too small', 'issued', 'ALL', 'ca key too small' ],
        ),
        {
            name => 'as many issuers as are allowed',
            b    => [ tls('deep'), 'read_some', [ write => http_ok() ], 'close' ],
            conf => 'uwsgi_ssl_verify on; uwsgi_ssl_verify_depth 2; uwsgi_ssl_name tls.test;
                uwsgi_ssl_trusted_certificate %%DIR%%/ca.pem; uwsgi_param A b;
                uwsgi_pass suwsgi://%%b%%;',
        },
        refused(
            'the service wants another version',
            'C7a', [ tls( 'good', 'TLSv1_3' ), 'hold' ],
            tls_alert => 'sent the alert protocol_version \(70\)',
            conf      => "proxy_ssl_protocols TLSv1.2; $TLS",
        ),
        refused(
            'nginx itself allows no version',
            'C7c', ['hold'],
            tls_refused_here => '^nginx.s own TLS refused %%b%% \(no protocols available\)',
            conf             => "proxy_ssl_protocols SSLv3; $TLS",
        ),
        refused(
            'it knows no such name, and none was sent',
            'C7a',
            [@ALERT],
            no_server_name => 'no server name \(SNI\) was sent to %%b%%: .*proxy_ssl_server_name on$',
            unsaid         => 'tls_refused_here',
        ),
        refused(
            'it does not know the name that was sent',
            'C7a',
            [@ALERT],
            no_server_name => 'tls\.test',
            lacks          => 'no server name',
            unsaid         => 'tls_refused_here',
            conf           => "proxy_ssl_server_name on; $TLS",
        ),
        {
            name   => 'a name was sent, and something else is wrong',
            site   => 'C6a',
            b      => [ 'read_some', 'close' ],
            conf   => "proxy_ssl_server_name on; $TLS",
            unsaid => 'no_server_name',
        },
    ],
    setup => \&setup
);
