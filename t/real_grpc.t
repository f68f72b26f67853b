#!/usr/bin/perl

# A gRPC server failing for real: what is seen, and a hint that names what to
# look at.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Grpc;
use Upstream502::Race;
use Upstream502::Runner;
use Upstream502::Test;
use Upstream502::Wsgi qw(hangs);

my $missing = missing_grpc();
plan skip_all => $missing if $missing;

my $server;

sub setup ($t) {
    write_server($t);
    chmod 0777, $t->dir;
    $t->port('grpc');
    start($t);
}

sub start ($t) {
    unlink $t->dir . '/hanging';
    $server->stop if $server;
    $server =
      $t->service( grpc => [ $PYTHON, '%%DIR%%/server.py', '%%grpc%%' ] );
    return 0;
}

sub row ( $name, $path, %row ) {
    return {
        name => $name,
        conf => "rewrite ^ $path break; grpc_buffer_size 4k;
            grpc_read_timeout @{[ delete $row{timeout} // '30s' ]};
            grpc_pass grpc://%%grpc%%;",
        method   => 'POST',
        headers  => [ 'Content-Type: application/grpc', 'TE: trailers' ],
        body     => "\0\0\0\0\1x",
        protocol => 'grpc',
        before   => sub ( $t, $row ) { start($t) },
        %row
    };
}

# Sends a signal once the call has begun.
sub during ($signal) {
    return sub ( $t, $row ) {
        hangs($t);
        $server->signal($signal);
    };
}

# A frame of nginx's own may not have been read.
my @GONE = (
    cause => qr/^(?:closed|reset)_before_response$/,
    phase => 'header',
    errno => qr/^(?:104|-)$/,
);

my @rows = (
    row(
        'all is well', '/well',
        status   => 200,
        protocol => undef,
    ),
    row(
        'killed in a call', '/hang',
        during => during('KILL'),
        @GONE,
        hint => qr/gRPC: /,
    ),
    row(
        'killed by a call', '/kill', @GONE, hint => qr/gRPC: /,
    ),
    row(
        'killed inside a stream', '/hang_inside',
        during  => during('KILL'),
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        errno   => qr/^(?:104|-)$/,
        hint    => qr/gRPC: /,
    ),
    row(
        'stopped without grace: an answer',
        '/hang',
        during   => during('INT'),
        status   => 200,
        protocol => undef,
    ),
    row(
        'stopped in a call, the grace too short',
        '/hang',
        during   => during('TERM'),
        status   => 200,
        protocol => undef,
    ),
    row(
        'stopped in a call, with grace',
        '/hang',
        during => sub ( $t, $row ) {
            hangs($t);
            $server->signal('USR1');
            wait_for 'it to listen no longer', sub {
                !eval { Upstream502::Http::connect_to( $t->port('grpc') ) };
            };
            unlink $t->dir . '/hanging';
        },
        status   => 200,
        protocol => undef,
    ),
    row(
        'GOAWAY as nginx reuses the connection',
        '/well',
        http   => 'upstream %%u%% { server %%grpc%%; keepalive 1; }',
        conf   => 'rewrite ^ /well break; grpc_pass grpc://%%u%%;',
        before => sub ( $t, $row ) {
            start($t);
            return prime( $t, $row, $server, $t->port('grpc') );
        },
        ask => sub ( $t, $row, $uri, %send ) {
            $server->signal('USR1');
            return race( $t, $row, $uri, %send );
        },
        status   => 200,
        protocol => undef,
    ),
    row(
        'stopped',
        '/well',
        before => sub ( $t, $row ) { $server->stop; 0 },
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
    ),
    row(
        'no answer',
        '/hang',
        timeout => '500ms',
        status  => 504,
        cause   => 'read_timeout',
        phase   => 'header',
        errno   => 110,
        hint    => qr/grpc_read_timeout 500ms ran out/,
    ),
    row(
        'the header is too big',
        '/big',
        cause => 'header_too_big',
        phase => 'header',
        hint  => qr/raise grpc_buffer_size \(now 4k\)/,
    ),
    row(
        'a call that fails is an answer',
        '/fail',
        status   => 200,
        protocol => undef,
    ),
);

play( \@rows, setup => \&setup );
