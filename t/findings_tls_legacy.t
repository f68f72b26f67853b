#!/usr/bin/perl

# Servers of the past, which OpenSSL refuses by itself: one that does not know
# secure renegotiation, one that signs with SHA-1 whatever it is offered.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select ();
use Test::More;
use Upstream502::Http qw(connect_to);
use Upstream502::Namespace;
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Steps;
use Upstream502::Test;
use Upstream502::Wire;

plan skip_all => 'IO::Socket::SSL is not installed'
  if !eval { require IO::Socket::SSL::Utils };
enter_namespace();

my $PORT   = 8443;
my $SIGNER = 8444;
my $GNUTLS = '/usr/bin/gnutls-serv';
my $DIR;

# A real server that answers each request, once it can be reached.
sub serve ( $port, @command ) {
    my $service = Upstream502::Service->new( "$DIR/$port.log", @command );
    wait_for $command[0], sub {
        eval { connect_to($port) }
    };
    return $service;
}

sub gnutls ($more) {
    return serve(
        $PORT, $GNUTLS, qw(--quiet --http --port), $PORT,
        '--priority'     => "NORMAL:-VERS-TLS1.3$more",
        '--x509certfile' => "$DIR/rsa.pem",
        '--x509keyfile'  => "$DIR/rsa.key"
    );
}

# One that signs with SHA-1, as long as that is offered.
sub signer () {
    return serve(
        $SIGNER, qw(openssl s_server -www -quiet -tls1_2 -sigalgs RSA+SHA1),
        -accept => "127.0.0.1:$SIGNER",
        -cipher => 'ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0',
        -cert   => "$DIR/rsa.pem",
        -key    => "$DIR/rsa.key"
    );
}

# Lets it believe that it is: in the place of RSA with SHA-256.
sub insist ($c) {
    my $record = Upstream502::Steps::take( $c, 5 );
    $record .= Upstream502::Steps::take( $c, unpack 'x3n', $record );
    while ( $record =~ /\0\x0d(..)(..)/gs ) {
        my ( $extension, $length ) = map { unpack 'n' } $1, $2;
        next if $extension != $length + 2;
        my @offered = unpack '(a2)*', substr $record, $+[0], $length;
        last if grep { $_ eq "\x02\x01" } @offered;
        substr $record, $+[0], $length, join '',
          map { $_ eq "\x04\x01" ? "\x02\x01" : $_ } @offered;
        last;
    }
    relay( $c, connect_to($SIGNER), $record );
}

sub relay ( $c, $server, $bytes ) {
    syswrite $server, $bytes . $c->{in};
    my %other = ( $c->{socket} => $server, $server => $c->{socket} );
    my $both  = IO::Select->new( $c->{socket}, $server );
    while (1) {
        for my $from ( $both->can_read ) {
            sysread $from, my $more, 65536 or return;
            syswrite $other{$from}, $more;
        }
    }
}

sub setup ($t) {
    $DIR = $t->dir;
    my ( $certificate, $key ) = IO::Socket::SSL::Utils::CERT_create(
        subject => { commonName => 'tls.test' },
        purpose => 'server'
    );
    $t->write_raw( 'rsa.pem', IO::Socket::SSL::Utils::PEM_cert2string($certificate) );
    $t->write_raw( 'rsa.key', IO::Socket::SSL::Utils::PEM_key2string($key) );
}

my $GOOD = [
    tls => sub {
        return ( SSL_cert_file => "$DIR/rsa.pem", SSL_key_file => "$DIR/rsa.key" );
    }
];

play(
    [
        {
            name    => 'a server without secure renegotiation',
            site    => 'C7h',
            before  => sub (@) { gnutls(':%DISABLE_SAFE_RENEGOTIATION') },
            conf    => "proxy_pass https://127.0.0.1:$PORT;",
            finding => 'tls_refused_here',
            says    => 'unsafe legacy renegotiation disabled',
            unsaid  => 'no_server_name',
            checks  => [
                [
                    qr/^openssl s_client/ => qr/:unsafe legacy renegotiation disabled:/,
                    qr/^New, TLSv1\.2, Cipher is [A-Z]/m
                ],
            ],
            cure   => qr/^proxy_ssl_conf_command Options UnsafeLegacyServerConnect;/,
            repair => sub ( $t, $row ) { $row->{held}->stop; return gnutls('') },
            skip   => -x $GNUTLS ? undef : 'GnuTLS has no server here',
        },
        {
            name    => 'a server that signs with SHA-1',
            site    => 'C7g',
            before  => sub (@) { signer() },
            b       => \&insist,
            conf    => 'proxy_pass https://%%b%%;',
            finding => 'tls_refused_here',
            says    => 'wrong signature type',
            unsaid  => 'no_server_name',
            checks  => [
                [ qr/Peer sign/ => qr/^Peer signing digest: SHA1$/m, qr/^Peer signing digest: SHA256$/m ],
            ],
            cure => qr/^proxy_ssl_ciphers /,
            well => [ $GOOD, 'hold' ],
        },
    ],
    setup => \&setup
);
