#!/usr/bin/perl

# gunicorn and uWSGI failing for real: what is seen, and a hint that names the
# setting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net qw(fill_unix_queue);
use Upstream502::Race;
use Upstream502::Runner;
use Upstream502::Test;

my $GUNICORN = '/usr/bin/gunicorn';
my $UWSGI    = '/usr/bin/uwsgi';
my $PYTHON   = ( glob '/usr/lib/uwsgi/plugins/python3_plugin.so' )[0];

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

my %service;

sub gunicorn ( $t, $name, $bind, @options ) {
    $service{$name} = $t->service(
        $name => [
            $GUNICORN,  '--chdir',
            '%%DIR%%',  '--bind',
            $bind,      '--worker-tmp-dir',
            '/dev/shm', @options,
            'app:application'
        ],
        at => $bind,
    );
}

sub setup_gunicorn ($t) {
    $t->write( 'app.py', $APPLICATION );
    $t->port($_) for qw(sync threads);
    gunicorn( $t, sync => '%%sync%%', qw(--workers 1 --timeout 1) );
    gunicorn(
        $t,
        threads => '%%threads%%',
        qw(--worker-class gthread --threads 2 --keep-alive 2)
    );
    $t->{address}{one} = 'unix:' . $t->dir . '/one.sock';
    gunicorn( $t, one => '%%one%%', qw(--workers 1 --backlog 1 --umask 0) );
}

sub row ( $name, %row ) {
    return { site => 'gunicorn', name => $name, protocol => 'http', %row };
}

sub occupy ( $t, $row ) {
    unlink $t->dir . '/hanging';
    my $sent = $t->send("/r$row->{number}");
    wait_for 'a request to hang', sub { -e $t->dir . '/hanging' };
    return $sent;
}

my @gunicorn = (
    row(
        'all is well',
        conf     => 'proxy_pass http://%%sync%%/well;',
        status   => 200,
        failed   => 0,
        protocol => undef,
    ),
    row(
        '--timeout',
        conf  => 'proxy_pass http://%%sync%%/hang;',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/gunicorn: .*--timeout/,
    ),
    row(
        '--timeout inside the body',
        conf    => 'proxy_pass http://%%sync%%/hang_inside;',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        hint    => qr/gunicorn: .*--timeout/,
    ),
    row(
        'a worker is killed',
        conf  => 'proxy_pass http://%%sync%%/kill;',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/killed/,
    ),
    row(
        'a worker is killed inside the body',
        conf    => 'proxy_pass http://%%sync%%/cut;',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        hint    => qr/killed/,
    ),
    row(
        'the header is too big',
        conf => 'proxy_buffer_size 4k; proxy_buffers 8 4k;
            proxy_pass http://%%sync%%/big;',
        cause => 'header_too_big',
        phase => 'header',
        hint  => qr/raise proxy_buffer_size \(now 4k\)/,
    ),
    row(
        'the only worker is busy',
        conf   => 'proxy_read_timeout 500ms; proxy_pass http://%%one%%:/hang;',
        status => 504,
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
        hint   =>
          qr/proxy_read_timeout 500ms ran out.*gunicorn: --workers, --timeout/,
    ),
    row(
        '--backlog is full',
        conf   => 'proxy_pass http://%%one%%:/hang;',
        before => sub ( $t, $row ) {
            my $path = $t->dir . '/one.sock';
            return [ occupy( $t, $row ), fill_unix_queue($path) ];
        },
        cause => 'backlog_full',
        phase => 'connect',
        errno => 11,
        hint  => qr/gunicorn: --workers, --backlog/,
    ),
    row(
        '--keep-alive shorter than keepalive_timeout',
        http => 'upstream %%u%% { server %%threads%%; keepalive 1; }',
        conf => 'proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_pass http://%%u%%;',
        before => sub ( $t, $row ) {
            prime( $t, $row, $service{threads}, $t->port('threads') );
        },
        ask    => \&race,
        method => 'POST',
        body   => 'once',
        cause  => 'keepalive_race',
        phase  => qr/^(?:send|header)$/,
        errno  => qr/^(?:-|32|104)$/,
        reused => 1,
        hint   => qr/keepalive_timeout in upstream.*gunicorn: --keep-alive/,
    ),
    row(
        'it is not running',
        conf   => 'proxy_pass http://%%sync%%/well;',
        before => sub ( $t, $row ) { $service{sync}->stop('TERM'); 0 },
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
    ),
);

SKIP: {
    skip 'no gunicorn: apt-get install gunicorn' if !-x $GUNICORN;
    subtest 'gunicorn' => sub { play( \@gunicorn, setup => \&setup_gunicorn ) };
}

done_testing;
