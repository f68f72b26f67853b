#!/usr/bin/perl

# gunicorn failing for real: what is seen, and a hint that names the setting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Race;
use Upstream502::Runner;
use Upstream502::Test;
use Upstream502::Wsgi;

my $GUNICORN = '/usr/bin/gunicorn';
plan skip_all => 'no gunicorn: apt-get install gunicorn' if !-x $GUNICORN;

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

sub setup ($t) {
    write_application($t);
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
    return { name => $name, protocol => 'http', %row };
}

# nginx sees it when all of it is gone: sockets are closed one after the other.
sub stop_all ( $t, @ ) {
    hangs($t);
    $t->nginx->freeze( sub {
        $service{sync}->stop;
        my $listens = sprintf ':%04X 00000000:0000 0A ', $t->port('sync');
        wait_for 'the last worker to let go of the port',
          sub { index( Upstream502::Nginx::slurp('/proc/net/tcp'), $listens ) < 0 };
    } );
}

# A header above --limit-request-field_size: its own answer, and no failure.
sub cookies ($size) {
    return row(
        "cookies of $size bytes",
        conf     => 'proxy_pass http://%%sync%%/well;',
        headers  => [ 'Cookie: a=' . 'x' x $size ],
        status   => 400,
        protocol => undef,
    );
}

my @rows = (
    row(
        'all is well',
        conf     => 'proxy_pass http://%%sync%%/well;',
        status   => 200,
        protocol => undef,
    ),
    cookies(9_000),
    cookies(20_000),
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
        finding => 'still_listening',
        says    => 'one of its workers ended',
        unsaid  => 'service_gone',
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
        'a view is slow',
        conf    => 'proxy_read_timeout 500ms; proxy_pass http://%%one%%:/hang;',
        before  => sub ( $t, $row ) { unlink $t->dir . '/hanging'; 0 },
        finding => 'no_answer',
        unsaid  => [qw(not_accepted not_read)],
        status => 504,
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
        hint   =>
          qr/proxy_read_timeout 500ms ran out.*gunicorn: --workers, --timeout/,
    ),
    row(
        'the only worker is busy',
        conf    => 'proxy_read_timeout 500ms; proxy_pass http://%%one%%:/well;',
        server  => 'location /occupy { proxy_pass http://%%one%%:/hang; }',
        before  => sub ( $t, @ ) { return occupy( $t, {}, '/occupy' ) },
        after   => \&release,
        status  => 504,
        cause   => 'read_timeout',
        phase   => 'header',
        errno   => 110,
        finding => 'not_accepted',
        says    => '1 waits for it: all its workers are busy or stuck, ',
        unsaid  => [qw(no_answer not_read)],
    ),
    row(
        '--backlog is full',
        conf   => 'proxy_pass http://%%one%%:/hang;',
        before => \&occupy_and_fill,
        cause  => 'backlog_full',
        phase  => 'connect',
        errno  => 11,
        hint   => qr/gunicorn: --workers, --backlog/,
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
        'the master is stopped, and its workers with it',
        conf   => 'proxy_pass http://%%sync%%/hang;',
        before => sub ( $t, $row ) { unlink $t->dir . '/hanging'; 0 },
        during => \&stop_all,
        cause   => 'closed_before_response',
        phase   => 'header',
        finding => 'service_gone',
        says    => 'any more: the service itself ended',
        unsaid  => 'still_listening',
    ),
    row(
        'it is not running',
        conf   => 'proxy_pass http://%%sync%%/well;',
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
    ),
);

play(
    \@rows,
    setup => \&setup,
    http  => 'large_client_header_buffers 4 32k;'
);
