#!/usr/bin/perl

# Who may see the status location with access=local, and who may reset it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::IP;
use Socket        qw(SOCK_STREAM);
use Sys::Hostname qw(hostname);
use Test::More;
use Upstream502::H2;
use Upstream502::Http qw(connect_to request);
use Upstream502::Test;

# A client that is not local needs another address on this machine.
my $STRANGER = '198.51.100.7';
if ( !$ENV{TEST_IN_NAMESPACE}
    && system('unshare -n ip link set lo up 2>/dev/null') == 0 )
{
    $ENV{TEST_IN_NAMESPACE} = 1;
    exec 'unshare', '-n', $^X, $0 or die "unshare: $!\n";
}
my $strangers = $ENV{TEST_IN_NAMESPACE}
  && system("ip link set lo up && ip address add $STRANGER/32 dev lo") == 0;

my $t = Upstream502::Test->new;
$t->conf( http => <<'CONF', server => <<'CONF2' );
server {
    listen 127.0.0.1:%%PORT_plain%%;
    listen 127.0.0.1:%%PORT_h2%% http2;
    server_name www.example.com .wild.example *.deep.example mail.*
        ~^r(?<digit>\d)\.regex\.example$;
    location = /status { upstream_502_status text write=on; }
    location = /any { upstream_502_status text access=any write=on; }
}
server {
    listen 127.0.0.1:%%PORT_proxied%% proxy_protocol;
    location = /status { upstream_502_status text; }
}
server {
    listen 127.0.0.1:%%PORT_trusting%% proxy_protocol;
    set_real_ip_from 0.0.0.0/0;
    real_ip_header proxy_protocol;
    location = /status { upstream_502_status text; }
}
server {
    listen 127.0.0.1:%%PORT_nameless%%;
    location = /status {
        upstream_502_status text;
        if ($arg_if) { add_header X-If 1; }
    }
}
CONF
listen unix:%%DIR%%/http.sock;
listen 127.0.0.1:%%PORT_real_h2%% http2;
set_real_ip_from 0.0.0.0/0;
set_real_ip_from unix:;
real_ip_header X-Forwarded-For;
location = /any { upstream_502_status text access=any; }
location = /page { error_page 403 /refused; upstream_502_status text; }
location = /refused { internal; return 403 "a page of ours"; }
CONF2
$t->start;

sub ask ( $port, %o ) {
    return request( $t->port($port), uri => '/status', %o );
}

# A client whose own address is another than 127.0.0.1.
sub from ( $address, $port ) {
    return IO::Socket::IP->new(
        PeerHost  => '127.0.0.1',
        PeerPort  => $t->port($port),
        LocalHost => $address,
        Type      => SOCK_STREAM,
    ) // die "cannot connect from $address: $@\n";
}

subtest 'the address of the connection' => sub {
    is ask('plain')->{status}, 200, '127.0.0.1';
    is ask( 'plain', socket => from( '127.0.0.9', 'plain' ) )->{status}, 200,
      '127.0.0.9';
    is ask( 'plain', headers => ['X-Forwarded-For: 198.51.100.9'] )->{status},
      200, 'what nobody told nginx to believe does not matter';
    if ( !$strangers ) {
        plan skip_all => 'no permission to make a network namespace';
    }
    my $r = ask( 'plain', socket => from( $STRANGER, 'plain' ) );
    is $r->{status}, 403, 'a stranger';
    $r = ask(
        'plain',
        uri    => '/any',
        socket => from( $STRANGER, 'plain' )
    );
    is $r->{status}, 200, 'unless access=any';
    for my $claimed ( '127.0.0.1', '::1', '198.51.100.9' ) {
        $r = ask(
            'http',
            socket  => from( $STRANGER, 'http' ),
            headers => ["X-Forwarded-For: $claimed"]
        );
        is $r->{status}, 403, "a stranger who claims to be $claimed";
        my $client = Upstream502::H2->new( from( $STRANGER, 'real_h2' ) );
        $client->send( 1, '/status', 'x-forwarded-for', $claimed );
        is $client->read(1)->{1}{status}, 403, 'over HTTP/2 too';
    }
};

subtest 'the address that is claimed' => sub {
    my %status = (
        '127.0.0.1'        => 200,
        '127.9.9.9'        => 200,
        '::1'              => 200,
        '::ffff:127.0.0.1' => 200,
        '198.51.100.7'     => 403,
        '::ffff:1.2.3.4'   => 403,
        '::2'              => 403,
        '0.0.0.0'          => 403,
    );
    for my $claimed ( sort keys %status ) {
        my @headers = ( headers => ["X-Forwarded-For: $claimed"] );
        is ask( 'http', @headers )->{status}, $status{$claimed}, $claimed;
        is request( $t->dir . '/http.sock', uri => '/status', @headers )
          ->{status}, $status{$claimed}, "$claimed by a unix socket";
    }
    is request( $t->dir . '/http.sock', uri => '/status' )->{status}, 200,
      'a unix socket';
};

sub proxied ( $port, $header, $address = '127.0.0.1' ) {
    my $socket = from( $address, $port );
    syswrite $socket, $header;
    return ask( $port, socket => $socket )->{status};
}

subtest 'the PROXY protocol' => sub {
    my $stranger = "PROXY TCP4 $STRANGER 127.0.0.1 1 2\r\n";
    my $local    = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
    for my $port (qw(proxied trusting)) {
        is proxied( $port, $local ), 200, "$port: a local client";
        is proxied( $port, "PROXY TCP6 ::1 ::1 1 2\r\n" ), 200, "$port: ::1";
        is proxied( $port, $stranger ),           403, "$port: a stranger";
        is proxied( $port, "PROXY UNKNOWN\r\n" ), 403, "$port: anybody";
        if ($strangers) {
            is proxied( $port, $local, $STRANGER ), 403,
              "$port: a local client of a stranger";
        }
    }
};

my ($short) = hostname() =~ /^([^.]+)/;

sub hosts ( $port, $status, @hosts ) {
    for my $host (@hosts) {
        is ask( $port, host => $host )->{status}, $status, "$port: $host";
    }
}

subtest 'the host' => sub {
    my @any = (
        '127.0.0.1',      '127.0.0.1:8080',
        '[::1]',          '[::1]:8080',
        '192.0.2.9',      'localhost',
        'LocalHost:8080', 'localhost.',
        'a.localhost:1',  hostname(),
        uc $short,        "$short.:80",
    );
    hosts( 'plain',    200, @any );
    hosts( 'nameless', 200, @any );
    hosts(
        'plain',            200,
        'www.example.com',  'WWW.Example.COM:81',
        'www.example.com.', 'wild.example',
        'a.b.wild.example', 'a.deep.example',
        'mail.example.org', 'r7.regex.example',
        'R7.regex.example:9'
    );
    hosts(
        'plain',               403,
        'evil.example',        'www.example.com.evil.example',
        'example.com',         'evilwild.example',
        'deep.example',        'mail',
        'rx.regex.example',    'localhost.evil.example',
        '127.0.0.1.evil.test', '127.1',
        'evillocalhost',
    );
    hosts( 'nameless', 403, 'www.example.com' );

    my $r = ask( 'plain', host => 'Evil.example.:81' );
    is $r->{status}, 403, 'a name of somebody else';
    like $r->{body}, qr/\A[^\n]*"evil\.example"[^\n]*server_name[^\n]*\n\z/,
      'one line says what to add';
    ok $r->{complete}, 'and is whole';
    is $r->{headers}{'content-type'}, 'text/plain; charset=utf-8', 'as text';
    is ask( 'plain', host => 'evil.example', uri => '/any' )->{status}, 200,
      'access=any takes any';
    is ask(
        'plain',
        host   => 'evil.example',
        method => 'DELETE'
    )->{status}, 403, 'nor may it reset';
    is request( $t->port('plain'), raw => "GET /status HTTP/1.0\r\n\r\n" )
      ->{status}, 200, 'none';
    is request( $t->port('plain'),
        raw => "GET http://evil.example/status HTTP/1.0\r\n\r\n" )->{status},
      403, 'one in the request line';
    is ask(
        'nameless',
        uri  => '/status?if=1',
        host => 'evil.example'
    )->{status}, 403, 'with an if in the location';

    my $h2 = Upstream502::H2->new( $t->port('h2') );
    $h2->send( 1, '/status', ':authority', 'evil.example' );
    $h2->send( 3, '/status', ':authority', 'www.example.com:81' );
    my $streams = $h2->read( 1, 3 );
    is $streams->{1}{status}, 403, 'over HTTP/2';
    is $streams->{3}{status}, 200, 'one of ours over HTTP/2';

    my $kept = ask( 'plain', host => 'evil.example', keep => 1, body => 'xyz' );
    is ask( 'plain', socket => $kept->{socket} )->{status}, 200,
      'the connection is kept';
};

subtest 'DELETE from a page' => sub {
    my $delete = sub ( $uri, @headers ) {
        return ask(
            'plain',
            uri     => $uri,
            method  => 'DELETE',
            host    => 'www.example.com:8080',
            headers => \@headers
        )->{status};
    };
    for my $uri ( '/status', '/any' ) {
        is $delete->($uri), 204, "$uri: no page";
        is $delete->( $uri, $_ ), 204, "$uri: $_"
          for 'Origin: http://www.example.com:8080',
          'Origin: https://WWW.example.com:8080',
          'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: none';
        is $delete->( $uri, $_ ), 403, "$uri: $_"
          for 'Origin: http://evil.example',
          'Origin: http://evil.example:8080',
          'Origin: http://www.example.com',
          'Origin: http://www.example.com:8081', 'Origin: null', 'Origin:',
          'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-site';
    }
    is ask( 'plain', headers => ['Origin: http://evil.example'] )->{status},
      200, 'GET changes nothing';
    is ask(
        'plain',
        method  => 'DELETE',
        host    => '[::1]',
        headers => ['Origin: http://[::1]']
    )->{status}, 204, 'of an address';

    my $h2 = Upstream502::H2->new( $t->port('h2') );
    my @at = ( ':method', 'DELETE', ':authority', 'www.example.com:81' );
    $h2->send( 1, '/status', @at, 'origin', 'http://www.example.com:81' );
    $h2->send( 3, '/status', @at, 'origin', 'http://evil.example' );
    my $streams = $h2->read( 1, 3 );
    is $streams->{1}{status}, 204, 'over HTTP/2';
    is $streams->{3}{status}, 403, 'from elsewhere over HTTP/2';
};

subtest 'error_page' => sub {
    my $r = ask(
        'http',
        uri     => '/page',
        headers => ['X-Forwarded-For: 198.51.100.9']
    );
    is $r->{status}, 403,              'a stranger';
    is $r->{body},   'a page of ours', 'gets the page';
};

$t->finish;
done_testing;
