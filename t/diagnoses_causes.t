#!/usr/bin/perl

# What an operator is told about causes: which directive decided, which limit
# was met, which name or certificate is wrong. The checks that come with the
# diagnosis are run and confirm it; a directive is put in and cures.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::Piece ();
use Upstream502::Backend qw(sequence);
use Upstream502::Diagnosis;
use Upstream502::Net
  qw(fill_tcp_queue fill_unix_queue listen_tcp listen_unix);
use Upstream502::Test;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

# The answer of a page with many cookies.
sub cookies ($count) {
    return http_ok( 'ok',
        map { "Set-Cookie: c$_=" . 'x' x 90 } 1 .. $count );
}

my $t   = Upstream502::Test->new;
my $dir = $t->dir;
make_certificates($dir);
my %certificate = (
    SSL_cert_file => "$dir/expired.pem",
    SSL_key_file  => "$dir/expired.key",
    SSL_version   => 'TLSv1_2',
);

my $full_tcp  = listen_tcp( backlog => 0 );
my $full_unix = listen_unix( "$dir/full.sock", backlog => 0 );
$t->{address}{full} = '127.0.0.1:' . $full_tcp->sockport;
$t->tcp( big => [ 'read', [ write => cookies(60) ] ] );
$t->tcp( tls => [ [ tls => sub { return %certificate } ], 'hold' ] );
$t->udp( dns => dns_answers() );
$t->tcp( ok    => [ 'read', [ write => http_last() ], 'close' ] );
$t->tcp( login => [ 'read', [ write => http_status(404) ], 'close' ] );
my %conf = (
    http => <<'CONF', server => <<'CONF2' );
upstream pages { server %%big%%; }
upstream slow { server %%full%%; }
upstream queue { server unix:%%DIR%%/full.sock; }
upstream secure { server %%tls%%; }
upstream gone { server unix:%%DIR%%/gone.sock; }
upstream closed { server unix:%%DIR%%/closed.sock; }
upstream upload { server %%ok%%; }
upstream login { server %%login%%; }
CONF
location /pages { proxy_pass http://pages; }
location /slow { proxy_pass http://slow; proxy_connect_timeout 300ms; }
location /queue { proxy_pass http://queue; }
location /secure {
    proxy_pass https://secure;
    proxy_ssl_verify on;
    proxy_ssl_name tls.test;
    proxy_ssl_trusted_certificate %%DIR%%/ca.pem;
}
location /dns {
    resolver %%dns%% ipv6=off;
    set $api api.nosuch.test;
    proxy_pass http://$api;
}
location /gone { fastcgi_pass gone; }
location /closed { proxy_pass http://closed; }
location /itself { proxy_pass http://127.0.0.1:%%PORT_http%%/none; }
location /none { return 502; }
location /upload {
    client_body_temp_path %%DIR%%/locked;
    client_body_buffer_size 1k;
    proxy_pass http://upload;
}
location /login { auth_request /asked; proxy_pass http://upload; }
location = /asked { internal; proxy_pass http://login; }
CONF2
$t->conf(%conf);
$t->start;
my $checks = Upstream502::Diagnosis->new($t);

sub ask ( $uri, $times = 4 ) {
    return map { $t->get($uri)->{status} } 1 .. $times;
}

subtest 'a buffer is too small' => sub {
    ask('/pages');
    my $d = $checks->expect(
        pages => severity => 'outage',
        cause             => 'header_too_big',
        summary           => [
            qr/proxy_buffer_size \((\d+)k\) was full after \d+ bytes/,
        ],
        confirm => [ qr/^curl .* -D - .*\| wc -c  #/ => qr/^[56]\d{3}$/m ],
    );
    my ($cure) = grep { /^proxy_buffer_size \d+k; proxy_buffers 8 \d+k;(?:  # this response needs \d+k)?$/ }
      @{ $d->{checks} };
    ok $cure, 'which directive, which value' or return;
    $conf{server} =~ s/(location .pages \{)/$1 $cure\n/;
    $t->conf(%conf);
    $t->reload;
    is_deeply [ ask( '/pages', 2 ) ], [ 200, 200 ], "$cure cures";
};

subtest 'an accept queue is full' => sub {
    my $held = fill_unix_queue("$dir/full.sock");
    ask('/queue');
    $checks->expect(
        queue => severity => 'outage',
        cause             => 'backlog_full',
        peers             => ["unix:$dir/full.sock"],
        summary           => qr/does not accept connections fast enough/,
        confirm           => [
            qr/^ss -lxn src/ => qr{^\w+\s+LISTEN\s+([1-9]\d*)\s+0\s.*/full\.sock}m,
            qr/MemAvailable/               => qr/^\d+ processes of \d+ MB, \d+ MB available: room for \d+/,
            qr/^sysctl net.core.somaxconn/ => qr/somaxconn = \d+/,
        ],
    );
};

subtest 'an accept queue is full, over TCP: which timeout was reached' => sub {
    my $held = fill_tcp_queue( $full_tcp->sockport );
    ask('/slow');
    my $port = $full_tcp->sockport;
    $checks->expect(
        slow => severity => 'outage',
        cause            => 'connection_timeout',
        peers            => ["127.0.0.1:$port"],
        summary          => qr/proxy_connect_timeout \(300ms\) ran out$/,
        confirm          =>
          [ qr/^ss -ltn .*Recv-Q wait/ => qr/^LISTEN\s+[1-9]\d*\s+0\s.*:$port\b/m ],
    );
};

subtest 'a certificate has expired' => sub {
    ask('/secure');
    my $d = $checks->expect(
        secure => severity => 'outage',
        cause              => 'tls_certificate_invalid',
        peers              => [ $t->address('tls') ],
        confirm => [ qr/^openssl s_client/ => qr/^notAfter=/m ],
    );
    my ($command) = grep { /^openssl/ } @{ $d->{checks} };
    my ($until)   = $checks->run($command) =~ /^notAfter=(.*) GMT$/m;
    cmp_ok(
        Time::Piece->strptime( $until, '%b %e %H:%M:%S %Y' )->epoch,
        '<', time, "$until is over" );
};

subtest 'a name does not exist' => sub {
    my ($port) = $t->address('dns') =~ /(\d+)$/;
    my ($dig) = grep { -x } map { "$_/dig" } split /:/, $ENV{PATH};
    $checks->command( dig => "$dig +time=5" ) if $dig;
    ask('/dns');
    $checks->expect(
        '(localhost /dns)' => severity => 'outage',
        cause                         => 'dns_error',
        peers                         => [],
        confirm                       => [
            $dig ? ( qr/dig api\.nosuch\.test/ => qr/status: NXDOMAIN/ ) : (),
            qr/^nginx -T.*resolver/ => qr/resolver 127\.0\.0\.1:$port/,
        ],
    );
};

subtest 'a socket is missing' => sub {
    ask('/gone');
    $checks->expect(
        gone => severity => 'outage',
        cause            => 'socket_missing',
        peers            => ["unix:$dir/gone.sock"],
        confirm => [ qr/^ls -l/ => qr/\A(?!.*gone\.sock).*full\.sock/s ],
    );
};

subtest 'a socket may not be written to' => sub {
    plan skip_all => 'the workers are not another user' if $> != 0;
    my $closed = listen_unix( "$dir/closed.sock", mode => 0600 );
    ask('/closed');
    $checks->expect(
        closed => severity => 'outage',
        cause              => 'permission_denied',
        peers              => ["unix:$dir/closed.sock"],
        confirm => [ qr/^namei -l/ => qr/^srw------- root\s.*closed\.sock/m ],
    );
};

subtest 'nginx is its own backend' => sub {
    ask('/itself');
    my $itself = '127.0.0.1:' . $t->port('http');
    like $checks->of($itself)->{hint},
      qr/^$itself is an address that this nginx itself listens on: /,
      'it is asked whether that is meant';
};

subtest 'requests fail before any attempt' => sub {
    plan skip_all => 'the workers may write everywhere' if $> != 0;
    ask('/upload');
    chmod 0, "$dir/locked";
    $t->post( '/upload', 'x' x 20000 ) for 1 .. 3;
    like $checks->of('upload')->{summary}, qr/^3 of 7 requests failed /,
      'they are no attempts';
    my $text = $t->get('/status?format=text&upstream=upload')->{body};
    like $text, qr/^requests 7, attempts 4, failures 3 \(3 before any attempt, 0\.0% /m,
      'nor counted as such';
    like $text, qr/^    before any attempt, errno 13 EACCES, /m, 'as each says';
};

subtest 'an answer was of no use' => sub {
    ask('/login');
    like $checks->of('login')->{summary}, qr/^All 4 attempts of the last /,
      'its attempt is counted once';
    my $text = $t->get('/status?format=text&upstream=login')->{body};
    like $text, qr/^requests 4, attempts 4, failures 4 \(100\.0% of attempts\)/m,
      'as all say';
    unlike $text, qr/no other server was asked/, 'which is why no other one was asked';
};

subtest 'this machine runs out' => sub {
    my $poor =
      Upstream502::Test->new( allow => [qr/worker_connections are not enough/] );
    $poor->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
    $poor->conf(
        events => 'worker_connections 12;',
        http   => 'upstream good { server %%ok%%; }',
        server => 'location = /ok { proxy_pass http://good; }',
    );
    $poor->start;
    my ( @held, $failed );
    for ( 1 .. 60 ) {
        if ( $poor->get('/ok')->{status} == 500 ) {
            last if ++$failed == 4;
            next;
        }
        push @held, $poor->send( '/', raw => "GET / HTTP/1.1\r\n" )->{socket};
    }
    is $failed, 4, 'requests fail';
    pop @held for 1 .. 2;
    wait_for 'room for the status', sub {
        eval { $poor->status }
    };
    Upstream502::Diagnosis->new($poor)->expect(
        good => cause => 'local_exhausted',
        confirm => [ qr/^nginx -T.*worker_connections/ => qr/worker_connections 12;/ ],
    );
    close $_ for @held;
    $poor->finish;
};

$t->finish;
done_testing;
