#!/usr/bin/perl

# Node failing for real: what is seen, and a hint that names the setting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Race;
use Upstream502::Runner;
use Upstream502::Test;

my ($NODE) = grep { -x } map { "$_/node" } split /:/, $ENV{PATH};
plan skip_all => 'no Node: apt-get install nodejs' if !$NODE;
my ($MAJOR) = `$NODE --version` =~ /(\d+)/;

# A worker that exits is replaced.
my $APPLICATION = <<'JAVASCRIPT';
const cluster = require('cluster');
const http = require('http');

const answers = {
  '/well': (response) => response.end('well'),
  '/hang': () => {},
  '/exit': () => process.exit(1),
  '/throw': () => { throw new Error('uncaught'); },
  '/exit_inside': (response) => {
    response.write('x'.repeat(9000), () => process.exit(1));
  },
  '/destroy': (response) => {
    response.writeHead(200, {'Content-Length': 10000});
    response.write('x'.repeat(9000), () => response.socket.destroy());
  },
  '/big': (response) => {
    response.setHeader('X-Big', 'x'.repeat(8000));
    response.end('big');
  },
};

function serve(port) {
  const options = {maxHeaderSize: 2000};
  const server = http.createServer(options, (request, response) => {
    response.sendDate = false;
    answers[request.url](response);
  });
  server.keepAliveTimeout = 2000;
  if (port === process.argv[3]) {
    server.timeout = 500;
  }
  server.listen(port, '127.0.0.1');
}

if (cluster.isPrimary) {
  cluster.on('exit', () => cluster.fork());
  cluster.fork();
} else {
  serve(process.argv[2]);
  serve(process.argv[3]);
}
JAVASCRIPT

my $node;

sub setup ($t) {
    $t->write( 'app.js', $APPLICATION );
    $t->port($_) for qw(node hasty);
    $node = $t->service(
        node => [ $NODE, '%%DIR%%/app.js', '%%PORT_node%%', '%%PORT_hasty%%' ]
    );
}

# The worker may have been replaced just now.
sub awake ( $t, $row ) {
    wait_for 'Node', sub {
        my @statuses = map {
            eval {
                Upstream502::Http::request( $t->port($_), uri => '/well' )
                  ->{status};
            } // 0
        } qw(node hasty);
        return "@statuses" eq '200 200';
    };
}

sub row ( $name, $path, %row ) {
    return {
        name     => $name,
        conf     => "proxy_pass http://%%node%%$path;",
        protocol => 'http',
        before   => \&awake,
        %row
    };
}

# Played where Node, stopped while a connection idles, closes it before it
# reads a request that came meanwhile.
my @races = (
    row(
        'server.keepAliveTimeout shorter than keepalive_timeout', '/well',
        http => 'upstream %%u%% { server %%node%%; keepalive 1; }',
        conf => 'proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_pass http://%%u%%/well;',
        before => sub ( $t, $row ) {
            awake( $t, $row );
            prime( $t, $row, $node, $t->port('node') );
        },
        ask    => \&race,
        method => 'POST',
        body   => 'once',
        cause  => 'keepalive_race',
        phase  => qr/^(?:send|header)$/,
        errno  => qr/^(?:-|32|104)$/,
        reused => 1,
        hint   => qr/keepalive_timeout in upstream.*server\.keepAliveTimeout/,
    ),
    row(
        'the same, and GET is saved',
        '/well',
        http => 'upstream %%u%% { server %%node%%; keepalive 1; }',
        conf => 'proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_pass http://%%u%%/well;',
        before => sub ( $t, $row ) {
            awake( $t, $row );
            prime( $t, $row, $node, $t->port('node') );
        },
        ask      => \&race,
        status   => 200,
        rescued  => 1,
        attempts => 2,
        causes   => 'keepalive_race, -',
        cause    => 'keepalive_race',
        phase    => qr/^(?:send|header)$/,
        errno    => qr/^(?:-|32|104)$/,
        reused   => 1,
    )
);

my @rows = (
    row(
        'all is well', '/well',
        status   => 200,
        protocol => undef,
    ),
    row(
        'process.exit before the response', '/exit',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/Node: .*an exception/,
    ),
    row(
        'an uncaught exception', '/throw',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/Node: .*an exception/,
    ),
    row(
        'server.timeout', '/hang',
        conf  => 'proxy_pass http://%%hasty%%/hang;',
        cause => 'closed_before_response',
        phase => 'header',
        hint  => qr/Node: server\.timeout/,
    ),
    row(
        'process.exit inside the body', '/exit_inside',
        conf =>
          'proxy_http_version 1.1; proxy_pass http://%%node%%/exit_inside;',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        hint    => qr/Node: .*an exception/,
    ),
    row(
        'socket.destroy inside the body', '/destroy',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        hint    => qr/a wrong Content-Length/,
    ),
    row(
        'no answer', '/hang',
        conf   => 'proxy_read_timeout 500ms; proxy_pass http://%%node%%/hang;',
        status => 504,
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
        hint   => qr/proxy_read_timeout 500ms ran out/,
    ),
    row(
        'the header is too big', '/big',
        conf => 'proxy_buffer_size 4k; proxy_buffers 8 4k;
            proxy_pass http://%%node%%/big;',
        cause => 'header_too_big',
        phase => 'header',
        hint  => qr/raise proxy_buffer_size \(now 4k\)/,
    ),
    row(
        'the request is larger than maxHeaderSize: an answer', '/well',
        headers  => [ 'Cookie: ' . 'x' x 3000 ],
        status   => 431,
        protocol => undef,
    ),
    ( $MAJOR >= 20 ? @races : () ),
    row(
        'it is not running',
        '/well',
        before => sub ( $t, $row ) { $node->stop; 0 },
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
    ),
);

play( \@rows, setup => \&setup );
