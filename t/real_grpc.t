#!/usr/bin/perl

# A gRPC server failing for real: what is seen, and a hint that names what to
# look at.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Race;
use Upstream502::Runner;
use Upstream502::Test;
use Upstream502::Wsgi qw(hangs);

my $PYTHON = '/usr/bin/python3';
plan skip_all => 'no gRPC: apt-get install python3-grpcio'
  if system("$PYTHON -c 'import grpc' 2>/dev/null") != 0;

# TERM stops it with a second of grace for the calls it has, INT with none, and
# USR1 with all the time in the world.
my $SERVER = <<'PYTHON';
import os, signal, sys, time
from concurrent import futures
import grpc

HANGING = os.path.join(os.path.dirname(__file__), "hanging")
GRACE = {signal.SIGTERM: 1, signal.SIGINT: 0, signal.SIGUSR1: 600}

def hang():
    open(HANGING, "w").close()
    while os.path.exists(HANGING):
        time.sleep(0.01)

def call(path):
    def well(request, context):
        yield b"well"
    def hang_before(request, context):
        hang()
        yield b"late"
    def hang_inside(request, context):
        yield b"x" * 9000
        hang()
        yield b"late"
    def kill(request, context):
        os.kill(os.getpid(), signal.SIGKILL)
    def fail(request, context):
        context.abort(grpc.StatusCode.UNAVAILABLE, "no")
    def big(request, context):
        context.send_initial_metadata((("x-big", "x" * 7000),))
        yield b"big"
    return {"/well": well, "/hang": hang_before, "/hang_inside": hang_inside,
            "/kill": kill, "/fail": fail, "/big": big}[path]

class Calls(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_stream_rpc_method_handler(call(details.method))

signal.pthread_sigmask(signal.SIG_BLOCK, GRACE)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Calls(),))
if server.add_insecure_port(sys.argv[1]) == 0:
    sys.exit("cannot listen")
server.start()
asked = signal.sigwait(GRACE)
server.stop(GRACE[asked])
signal.pause()
PYTHON

my $server;

sub setup ($t) {
    $t->write( 'server.py', $SERVER );
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
