#!/usr/bin/perl

# memcached failing for real: what is seen, and a hint that says what it said.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;
use Upstream502::Test;

my $MEMCACHED = '/usr/bin/memcached';
plan skip_all => 'no memcached: apt-get install memcached' if !-x $MEMCACHED;

my $service;

sub setup ($t) {
    $t->port('cache');
    my ($port) = $t->address('cache') =~ /(\d+)$/;
    $service = $t->service(
        memcached => [
            $MEMCACHED, qw(-l 127.0.0.1 -U 0 -u nobody -p), $port
        ],
        at => '%%cache%%'
    );
    my $socket = Upstream502::Http::connect_to($port);
    syswrite $socket, "set well 0 0 4\r\nwell\r\n";
    sysread $socket, my $stored, 100;
    $stored =~ /^STORED/ or die "memcached says: $stored\n";
}

sub row ( $name, $key, %row ) {
    return {
        name => $name,
        conf => "set \$memcached_key $key; memcached_pass %%cache%%;",
        protocol => 'memcached',
        %row
    };
}

my @rows = (
    row(
        'all is well', 'well',
        status   => 200,
        protocol => undef,
    ),
    row(
        'a key that is not there is an answer', 'other',
        status   => 404,
        protocol => undef,
    ),
    row(
        'a key that is too long',
        'k' x 300,
        cause   => 'protocol_error',
        phase   => 'header',
        message => qr/^memcached sent invalid response: "CLIENT_ERROR /,
        hint    => qr/^memcached refused the command: the key is longer/,
    ),
    row(
        'HTTP to it', 'well',
        conf     => 'proxy_pass http://%%cache%%;',
        protocol => 'http',
        cause    => 'closed_before_response',
        phase    => 'header',
    ),
    row(
        'it is not running', 'well',
        before => sub ( $t, $row ) { $service->stop('TERM'); 0 },
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
    ),
);

play( \@rows, setup => \&setup );
