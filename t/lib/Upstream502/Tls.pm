# Certificates for TLS backends, made once per test. Needs IO::Socket::SSL
# (Debian: libio-socket-ssl-perl).

package Upstream502::Tls;

use v5.36;

use Exporter qw(import);
use Upstream502::Nginx ();

our @EXPORT_OK = qw(make_certificates);

# Writes into `dir`: ca.pem; good.pem and good.key for tls.test, signed by it;
# expired.*, signed by it too; stranger.*, signed by nobody it knows; weak.*,
# with a key that is too small; chain.pem, good.pem followed by weak.pem.
sub make_certificates ($dir) {
    require IO::Socket::SSL::Utils;
    my @ca = certificate(
        subject => { commonName => 'ca' },
        CA      => 1,
    );
    my %made = (
        good    => [ issuer => \@ca ],
        expired => [
            issuer     => \@ca,
            not_before => time - 86400 * 9,
            not_after  => time - 86400,
        ],
        stranger => [],
        weak     => [ key => IO::Socket::SSL::Utils::KEY_create_rsa(1024) ],
    );
    save( "$dir/ca.pem", IO::Socket::SSL::Utils::PEM_cert2string( $ca[0] ) );
    for my $name ( keys %made ) {
        my ( $cert, $key ) = certificate(
            subject         => { commonName => 'tls.test' },
            subjectAltNames => [ [ DNS => 'tls.test' ] ],
            @{ $made{$name} },
        );
        save( "$dir/$name.pem",
            IO::Socket::SSL::Utils::PEM_cert2string($cert) );
        save( "$dir/$name.key", IO::Socket::SSL::Utils::PEM_key2string($key) );
    }
    save( "$dir/chain.pem", Upstream502::Nginx::slurp("$dir/good.pem")
          . Upstream502::Nginx::slurp("$dir/weak.pem") );
}

# The key is made here because RSA, the default, takes much longer.
sub certificate (%arguments) {
    return IO::Socket::SSL::Utils::CERT_create(
        key     => IO::Socket::SSL::Utils::KEY_create_ec('prime256v1'),
        purpose => $arguments{CA} ? 'ca' : 'server',
        %arguments,
    );
}

sub save ( $path, $text ) {
    open my $file, '>', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
}

1;
