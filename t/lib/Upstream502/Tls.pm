# Certificates for TLS backends, made once per test. Needs IO::Socket::SSL
# (Debian: libio-socket-ssl-perl).

package Upstream502::Tls;

use v5.36;

use Exporter     qw(import);
use MIME::Base64 qw(decode_base64 encode_base64);
use Upstream502::Nginx ();

our @EXPORT_OK = qw(make_certificates make_named);

# Writes into `dir`: ca.pem; good.pem and good.key for tls.test, signed by it;
# expired.* and future.*, signed by it too; stranger.*, signed by nobody it knows;
# weak.*, with a key that is too small; sha1.*, with a digest that is too weak;
# issued.*, by the first of issuers.pem, whose key is too small; the other is
# ca.pem; chain.pem, good.pem followed by weak.pem;
# lone.*, two issuers away from ca.pem, and deep.*, the same with these issuers.
sub make_certificates ($dir) {
    require IO::Socket::SSL::Utils;
    my @ca = certificate(
        subject => { commonName => 'ca' },
        CA      => 1,
    );
    my @small = certificate(
        subject => { commonName => 'small' },
        CA      => 1,
        key     => small_key(),
    );
    my %made = (
        good    => [ issuer => \@ca ],
        expired => [
            issuer     => \@ca,
            not_before => time - 86400 * 9,
            not_after  => time - 86400,
        ],
        future => [
            issuer     => \@ca,
            not_before => time + 86400 * 3,
            not_after  => time + 86400 * 9,
        ],
        stranger => [],
        evil     => [ issuer => \@ca, subjectAltNames => [ [ DNS => 'evil.test' ] ] ],
        weak     => [ issuer => \@ca, key => small_key() ],
        sha1     => [ issuer => \@ca, digest => 'sha1' ],
        issued   => [ issuer => \@small ],
    );
    save( "$dir/ca.pem", IO::Socket::SSL::Utils::PEM_cert2string( $ca[0] ) );
    save( "$dir/issuers.pem", join '',
        map { IO::Socket::SSL::Utils::PEM_cert2string( $_->[0] ) } \@small, \@ca );
    my @issuers = ( \@ca );
    push @issuers,
      [
        certificate(
            subject => { commonName => "issuer $_" },
            CA      => 1,
            issuer  => $issuers[-1],
        )
      ] for 1 .. 2;
    $made{lone} = [ issuer => $issuers[-1] ];
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
    save( "$dir/deep.pem", join '', Upstream502::Nginx::slurp("$dir/lone.pem"),
        map { IO::Socket::SSL::Utils::PEM_cert2string( $_->[0] ) } reverse @issuers[ 1, 2 ] );
    save( "$dir/deep.key", Upstream502::Nginx::slurp("$dir/lone.key") );
}

# Certificates for names that no library would write: any bytes. Writes into
# `dir` names-ca.pem, which has signed them, and for each of %names its .pem and
# .key. Needs openssl.
sub make_named ( $dir, %names ) {
    require IO::Socket::SSL::Utils;
    my @ca = certificate( subject => { commonName => 'names' }, CA => 1 );
    save( "$dir/names-ca.pem",
        IO::Socket::SSL::Utils::PEM_cert2string( $ca[0] ) );
    save( "$dir/names-ca.key",
        IO::Socket::SSL::Utils::PEM_key2string( $ca[1] ) );
    for my $name ( keys %names ) {
        my $place = 'Z' x length $names{$name};
        my ( $cert, $key ) = certificate(
            subject         => { commonName => 'names' },
            subjectAltNames => [ [ DNS => $place ] ],
            issuer          => \@ca,
        );
        my $pem = IO::Socket::SSL::Utils::PEM_cert2string($cert);
        my ( $signed, $algorithm ) =
          elements( decode_base64( $pem =~ s/-----.*//gr ) );
        $signed =~ s/\Q$place/$names{$name}/ or die "no name to replace\n";
        save( "$dir/$name.pem", to_pem( sign( $dir, $signed, $algorithm ) ) );
        save( "$dir/$name.key", IO::Socket::SSL::Utils::PEM_key2string($key) );
    }
}

# What a sequence in DER holds, each with its header.
sub elements ($der) {
    my ($length) = header_of($der);
    my $inner = substr $der, $length;
    my @elements;
    while ( length $inner ) {
        my ( $header, $content ) = header_of($inner);
        push @elements, substr $inner, 0, $header + $content, '';
    }
    return @elements;
}

# Its length, and that of the content.
sub header_of ($der) {
    my ( undef, $length ) = unpack 'CC', $der;
    return ( 2, $length ) if $length < 128;
    my $size = $length - 128;
    my $content = unpack 'N', substr "\0\0\0" . substr( $der, 2, $size ), -4;
    return ( 2 + $size, $content );
}

sub der ( $tag, $content ) {
    my $length = length $content;
    my $bytes  = pack( 'N', $length ) =~ s/^\0+//r;
    return pack( 'C', $tag )
      . ( $length < 128 ? chr $length : chr( 128 + length $bytes ) . $bytes )
      . $content;
}

sub sign ( $dir, $signed, $algorithm ) {
    save( "$dir/signed.der", $signed );
    system( qw(openssl dgst -sha256 -sign),
        "$dir/names-ca.key", '-out', "$dir/signature.der",
        "$dir/signed.der" ) == 0
      or die "openssl dgst fails\n";
    my $signature = Upstream502::Nginx::slurp("$dir/signature.der");
    return der( 0x30, $signed . $algorithm . der( 0x03, "\0$signature" ) );
}

sub to_pem ($der) {
    return "-----BEGIN CERTIFICATE-----\n"
      . encode_base64($der)
      . "-----END CERTIFICATE-----\n";
}

sub small_key () { return IO::Socket::SSL::Utils::KEY_create_rsa(1024) }

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
