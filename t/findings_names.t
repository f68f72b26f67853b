#!/usr/bin/perl

# Certificates whose names are meant to break something: they are shown as text.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http ();
use Upstream502::Runner;
use Upstream502::Tls qw(make_named);

plan skip_all => 'IO::Socket::SSL is not installed'
  if !eval { require IO::Socket::SSL::Utils };
plan skip_all => 'openssl is not installed'
  if system('openssl version >/dev/null 2>&1') != 0;

my $MARKUP = '<script>alert(502)</script>"\'&.test';
my %NAME   = (
    markup  => $MARKUP,
    zero    => "good.test\0.evil.test",
    control => "a\r\n[alert] b\e[31m.test",
    invalid => "\xff\xfe\xc3(\xe2\x82.test",
    long    => 'l' x 60_000 . '.test',
    item    => 'a, b -> c f 1 2 3 4',
);

# What is shown of it.
my %SHOWN = (
    %NAME,
    zero    => 'good.test?.evil.test',
    control => 'a??[alert] b?[31m.test',
    invalid => '???(??.test',
    long    => 'l' x 20,
);

my $DIR;

sub setup ($t) {
    $DIR = $t->dir;
    make_named( $DIR, %NAME );
}

sub tls ($name) {
    return [
        tls => sub {
            return (
                SSL_cert_file   => "$DIR/$name.pem",
                SSL_key_file    => "$DIR/$name.key",
                SSL_version     => 'TLSv1_2',
                SSL_verify_mode => 0,
            );
        }
    ];
}

my @rows = map {
    {
        name => "a name: $_",
        site => 'C9',
        b    => [ tls($_), 'hold' ],
        conf => 'proxy_ssl_verify on; proxy_ssl_name tls.test;
            proxy_ssl_trusted_certificate %%DIR%%/names-ca.pem;
            proxy_pass https://%%b%%;',
        finding  => 'certificate_name',
        says     => 'is not for "tls\.test", but for ' . quotemeta $SHOWN{$_},
        evidence => {
            named       => 'certificate_names',
            names       => qr/^[ -~]{1,110}$/,
            names_count => 1,
        },
        after => \&is_text,
    }
} sort keys %NAME;

# In no format does it become anything else.
sub is_text ( $t, $row, @ ) {
    for my $format (qw(html json text prometheus)) {
        my $r = Upstream502::Http::request( $t->port('http'),
            uri => "/status?format=$format" );
        is $r->{status}, 200, $format;
        unlike $r->{body}, qr/<script>alert/, "$format: no markup"
          if $format ne 'text';
        unlike $r->{body}, qr/[^\n -~]/, "$format: printable"
          if $format ne 'html';
    }
}

play( \@rows, setup => \&setup );
