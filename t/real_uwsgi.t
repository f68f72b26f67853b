#!/usr/bin/perl

# uWSGI failing for real: what is seen, and a hint that names the setting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;
use Upstream502::Test;
use Upstream502::Wsgi;

my $UWSGI = '/usr/bin/uwsgi';
plan skip_all => 'no uWSGI: apt-get install uwsgi-core uwsgi-plugin-python3'
  if !-x $UWSGI || !glob '/usr/lib/uwsgi/plugins/python3_plugin.so';

my %service;

# uWSGI serves its own protocol on one port and HTTP on the other.
sub setup ($t) {
    write_application($t);
    $t->port($_) for qw(uwsgi http_socket);
    my @options = (
        qw(--plugin python3 --master --need-app --chdir),
        $t->dir, '--wsgi-file', $t->dir . '/app.py'
    );
    $service{uwsgi} = $t->service(
        uwsgi => [
            $UWSGI,                                  @options,
            qw(--processes 2 --harakiri 1 --socket), '%%uwsgi%%',
            '--http-socket',                         '%%http_socket%%'
        ]
    );
    $t->{address}{one} = 'unix:' . $t->dir . '/one.sock';
    $service{one} = $t->service(
        one => [
            $UWSGI,                                          @options,
            qw(--processes 1 --chmod-socket=666 --listen 1), '--socket',
            $t->dir . '/one.sock'
        ]
    );
}

sub uwsgi ( $name, $path, %row ) {
    my $to = delete $row{to} // 'uwsgi';
    return {
        name => $name,
        conf => "uwsgi_param REQUEST_METHOD GET; uwsgi_param PATH_INFO $path;
            uwsgi_buffer_size 4k; uwsgi_buffers 8 4k;
            uwsgi_read_timeout @{[ delete $row{timeout} // '30s' ]};
            uwsgi_pass %%$to%%;",
        protocol => 'uwsgi',
        %row
    };
}

my @rows = (
    uwsgi(
        'all is well', '/well',
        status   => 200,
        protocol => undef,
    ),
    uwsgi(
        'harakiri', '/hang',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/uWSGI: harakiri/,
    ),
    uwsgi(
        'harakiri inside the body', '/hang_inside',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        hint    => qr/uWSGI: harakiri/,
    ),
    uwsgi(
        'harakiri, http-socket', '/hang',
        conf     => 'proxy_pass http://%%http_socket%%/hang;',
        protocol => 'http',
        cause    => 'closed_before_response',
        phase    => 'header',
        hint     => qr/uWSGI: harakiri/,
    ),
    uwsgi(
        'a worker is killed', '/kill',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/killed/,
    ),
    uwsgi(
        'the header is too big', '/big',
        cause => 'header_too_big',
        phase => 'header',
        hint  => qr/raise uwsgi_buffer_size \(now 4k\)/,
    ),
    uwsgi(
        'a header larger than buffer-size', '/well',
        headers => [ 'X-Large: ' . 'x' x 5000 ],
        cause   => qr/^(?:closed|reset)_before_response$/,
        phase   => 'header',
        errno   => qr/^(?:104|-)$/,
        hint    => qr/a request with a large header.*uWSGI: buffer-size/,
    ),
    uwsgi(
        'a header larger than buffer-size, http-socket', '/well',
        conf     => 'proxy_pass http://%%http_socket%%/well;',
        protocol => 'http',
        headers  => [ map { "X-Large$_: " . 'x' x 5000 } 1 .. 2 ],
        cause    => qr/^(?:closed|reset)_before_response$/,
        phase    => 'header',
        errno    => qr/^(?:104|-)$/,
        hint     => qr/a request with a large header.*uWSGI: buffer-size/,
    ),
    uwsgi(
        'uwsgi_pass to the http-socket', '/well',
        to    => 'http_socket',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/http-socket instead of socket/,
    ),
    uwsgi(
        'proxy_pass to the uwsgi socket',
        '/well',
        conf     => 'proxy_pass http://%%uwsgi%%;',
        protocol => 'http',
        cause    => 'closed_before_response',
        phase    => 'header',
        hint     => qr/socket instead of http-socket/,
    ),
    uwsgi(
        'the only worker is busy', '/hang',
        to      => 'one',
        timeout => '500ms',
        status  => 504,
        cause   => 'read_timeout',
        phase   => 'header',
        errno   => 110,
        hint    =>
          qr/uwsgi_read_timeout 500ms ran out.*uWSGI: harakiri, processes/,
    ),
    uwsgi(
        'the listen queue is full', '/hang',
        to     => 'one',
        before => \&occupy_and_fill,
        cause  => 'backlog_full',
        phase  => 'connect',
        errno  => 11,
        hint   => qr/uWSGI: processes, listen/,
    ),
    uwsgi(
        'a graceful reload is not seen', '/well',
        before   => sub ( $t, $row ) { $service{uwsgi}->signal('HUP'); 0 },
        status   => 200,
        protocol => undef,
    ),
    uwsgi(
        'a brutal reload',
        '/hang',
        before => sub ( $t, $row ) { unlink $t->dir . '/hanging'; 0 },
        during => sub ( $t, $row ) {
            hangs($t);
            $service{uwsgi}->signal('TERM');
        },
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/uWSGI: harakiri/,
    ),
);

play( \@rows, setup => \&setup );
