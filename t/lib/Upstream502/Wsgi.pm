# An application for Python's web servers, and a way to keep it busy.

package Upstream502::Wsgi;

use v5.36;

use Exporter         qw(import);
use Test::More;
use Upstream502::Net qw(fill_unix_queue wait_for);

our @EXPORT = qw(write_application hangs occupy release occupy_and_fill);

my $APPLICATION = <<'PYTHON';
import os, signal, time

HANGING = os.path.join(os.path.dirname(__file__), "hanging")

def hang():
    open(HANGING, "w").close()
    while os.path.exists(HANGING):
        time.sleep(0.01)

def cut():
    yield b"x" * 9000
    os.kill(os.getpid(), signal.SIGKILL)

def hang_inside():
    yield b"x" * 9000
    hang()

def application(environ, start_response):
    path = environ["PATH_INFO"]
    headers = [("Content-Length", "10000"), ("Content-Type", "text/plain")]
    if path == "/cut":
        start_response("200 OK", headers)
        return cut()
    if path == "/hang_inside":
        start_response("200 OK", headers)
        return hang_inside()
    if path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/hang":
        hang()
    if path == "/big":
        start_response("200 OK", [("X-Big", "x" * 8000)])
        return [b"big"]
    start_response("200 OK", [("Content-Length", "4")])
    return [b"well"]
PYTHON

# As app.py; it runs as whoever runs its server.
sub write_application ($t) { $t->write( 'app.py', $APPLICATION ) }

# Waits for the application to hang in the request that was sent.
sub hangs ($t) {
    wait_for 'a request to hang', sub { -e $t->dir . '/hanging' };
}

# A request that keeps a worker until the row is over.
sub occupy ( $t, $row, $uri = "/r$row->{number}" ) {
    unlink $t->dir . '/hanging';
    my $sent = $t->send($uri);
    hangs($t);
    return $sent;
}

# Ends it.
sub release ( $t, $row, @ ) {
    unlink $t->dir . '/hanging';
    is $t->read( $row->{held} )->{status}, 200, 'the worker is free again';
}

# The only worker of the one at one.sock, and its queue.
sub occupy_and_fill ( $t, $row ) {
    return [ occupy( $t, $row ), fill_unix_queue( $t->dir . '/one.sock' ) ];
}

1;
