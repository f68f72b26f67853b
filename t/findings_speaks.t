#!/usr/bin/perl

# A port that speaks something else than nginx was told to, beside those that
# speak it badly.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

plan skip_all => 'IO::Socket::SSL is not installed'
  if !eval { require IO::Socket::SSL::Utils };

my $BANNER = "SSH-2.0-OpenSSH_9.2p1\r\n";

# A packet of MySQL: its length, its number.
sub mysql ($packet) { return substr( pack( 'V', length $packet ), 0, 3 ) . "\0$packet" }

my $MYSQL = mysql("\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\xff");
my $BLOCKED = mysql("\xff\x69\x04Host '127.0.0.1' is not allowed to connect");

# What it answers to whatever comes.
sub says ($bytes) { return [ 'read_some', [ write => $bytes ], 'hold' ] }

# What is no HTTP nginx passes on as HTTP/0.9.
sub no_http ( $name, $bytes, %row ) {
    return {
        name    => $name,
        site    => 'E10',
        b       => answer($bytes),
        status  => 9,
        outcome => 'open',
        passed  => 1,
        finding => 'wrong_protocol',
        %row,
    };
}

# And what begins as it should is not told of.
sub but_broken (%row) { return { unsaid => 'wrong_protocol', %row } }

my @http = (
    no_http(
        'MySQL, on an HTTP port',
        $MYSQL, says => '^%%b%% speaks MySQL, .*check the port$'
    ),
    no_http(
        'MySQL that lets nobody in',
        $BLOCKED, says => '^%%b%% speaks MySQL'
    ),
    no_http(
        'Redis, on an HTTP port',
        "-ERR unknown command 'GET'\r\n", says => '^%%b%% speaks Redis'
    ),
    no_http(
        'SSH, on an HTTP port',
        $BANNER, says => '^%%b%% speaks SSH'
    ),
    no_http(
        'TLS, on an HTTP port',
        tls_alert(10), says => '^%%b%% speaks TLS: proxy_pass https:// fits it$'
    ),
    no_http(
        'HTTP/2, on a port for HTTP/1',
        h2_settings(), says => '^%%b%% speaks HTTP/2: grpc_pass grpc:// fits it$'
    ),
    no_http(
        'FastCGI, on an HTTP port',
        fcgi( 6, "Status: 200\r\n\r\n" ), says => '^%%b%% speaks FastCGI: fastcgi_pass fits it$'
    ),
    no_http(
        'a status line of its own kind',
        "HTTP/1.1 OK 200\r\n\r\nok",
        finding => undef,
        unsaid  => 'wrong_protocol'
    ),
    no_http(
        'a body without a header',
        "<html>speaks MySQL</html>\n",
        finding => undef,
        unsaid  => 'wrong_protocol'
    ),
    but_broken(
        name => 'a header that is broken',
        site => 'E12',
        b    => answer( http_ok( 'ok', 'Bad Header: x' ) ),
    ),
    but_broken(
        name => 'a header that is cut',
        site => 'E5c',
        b    => answer("HTTP/1.1 200 OK\r\nX: y\r\n"),
    ),
);

my $TLS_PASS = 'proxy_pass https://%%b%%;';
my $DIR;

# The folder is only known when it is played.
my $HANDSHAKE = [
    tls => sub {
        return (
            SSL_cert_file   => "$DIR/good.pem",
            SSL_key_file    => "$DIR/good.key",
            SSL_verify_mode => 0
        );
    }
];

my @tls = (
    {
        name    => 'plain HTTP, on a TLS port',
        site    => 'C7b',
        b       => says( http_status(400) ),
        conf    => $TLS_PASS,
        finding => 'wrong_protocol',
        says    => '^%%b%% does not speak TLS, plain text came: proxy_pass http:// fits',
        unsaid  => [qw(tls_alert tls_refused_here no_server_name)],
    },
    but_broken(
        name => 'TLS that does not agree',
        site => 'C7a',
        b    => says( tls_alert(40) ),
        conf => $TLS_PASS,
        finding => 'tls_alert',
    ),
    but_broken(
        name => 'TLS, with a broken header in it',
        site => 'E12',
        b    => [ $HANDSHAKE, 'read', [ write => http_ok( 'ok', 'Bad Header: x' ) ], 'close' ],
        conf => $TLS_PASS,
    ),
);

my $FASTCGI   = 'fastcgi_pass %%b%%;';
my $GRPC      = 'grpc_pass grpc://%%b%%;';
my $MEMCACHED = 'set $memcached_key k; memcached_pass %%b%%;';

my @others = (
    {
        name    => 'HTTP, on a port for FastCGI',
        site    => 'F6',
        b       => says( http_status(400) ),
        conf    => $FASTCGI,
        cause   => 'protocol_error',
        phase   => 'header',
        finding => 'wrong_protocol',
        says    => 'begins with byte 72 \(H, as HTTP does\)',
    },
    but_broken(
        name => 'a record of FastCGI that is cut',
        site => 'E5c',
        b    => [
            'read_some',
            [ write => substr fcgi( 6, "Status: 200\r\n\r\nok" ), 0, 12 ],
            'close'
        ],
        conf => $FASTCGI,
    ),
    but_broken(
        name  => 'a record of FastCGI of an unknown type',
        site  => 'F7',
        b     => says( fcgi( 99, 'x' ) ),
        conf  => $FASTCGI,
        phase => 'header',
    ),
    {
        name    => 'HTTP/1, on a port for gRPC',
        site    => 'J33',
        b       => says( http_status(400) ),
        conf    => $GRPC,
        phase   => 'header',
        finding => 'wrong_protocol',
        says    => '^%%b%% speaks HTTP/1: proxy_pass http:// fits it$',
    },
    {
        name    => 'TLS, on a port for gRPC',
        site    => 'J33',
        b       => [ 'read_some', [ write => tls_alert(10) ], 'close' ],
        conf    => $GRPC,
        phase   => 'header',
        finding => 'wrong_protocol',
        says    => '^%%b%% speaks TLS: grpc_pass grpcs:// fits it$',
    },
    but_broken(
        name  => 'HTTP/2 with a frame that is too large',
        site  => 'J33',
        b     => says( h2_settings() . h2( 0, 0, 1, '', 20_000 ) ),
        conf  => $GRPC,
        phase => 'header',
    ),
    {
        name    => 'HTTP, on a port for memcached',
        site    => 'F17',
        b       => says( http_status(400) ),
        conf    => $MEMCACHED,
        finding => 'wrong_protocol',
        says    => '^%%b%% speaks HTTP/1: proxy_pass http:// fits it$',
    },
    but_broken(
        name => 'memcached that says ERROR',
        site => 'F17',
        b    => says("ERROR\r\n"),
        conf => $MEMCACHED,
    ),
);

sub setup ($t) { make_certificates( $DIR = $t->dir ) }

play( [ @http, @tls, @others ], setup => \&setup );
