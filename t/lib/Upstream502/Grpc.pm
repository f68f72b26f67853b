# A server of Python's gRPC, and ways to end it.

package Upstream502::Grpc;

use v5.36;

use Exporter qw(import);

our @EXPORT = qw($PYTHON missing_grpc write_server);

our $PYTHON = '/usr/bin/python3';

# Why it cannot be run here.
sub missing_grpc () {
    return system("$PYTHON -c 'import grpc' 2>/dev/null") == 0
      ? ''
      : 'no gRPC: apt-get install python3-grpcio';
}

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
    def fail_inside(request, context):
        yield b"part"
        context.abort(grpc.StatusCode.DATA_LOSS, "no")
    def big(request, context):
        context.send_initial_metadata((("x-big", "x" * 7000),))
        yield b"big"
    return {"/well": well, "/hang": hang_before, "/hang_inside": hang_inside,
            "/kill": kill, "/fail": fail, "/fail_inside": fail_inside,
            "/big": big}[path]

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

# As server.py, whose argument is where it listens.
sub write_server ($t) { $t->write( 'server.py', $SERVER ) }

1;
