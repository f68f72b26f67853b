#!/usr/bin/perl

# The checks of what no other table provokes: paths, places that cannot be
# seen, limits of this machine, times. Each shows the fault, and after the
# repair that it is gone.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Clock;
use Upstream502::Diagnosis qw(edits);
use Upstream502::Namespace;
use Upstream502::Net qw(listen_tcp listen_unix);
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Test;
use Upstream502::Wire;

enter_namespace();

# All sockets are looked through twice a second at most.
sub rested ($code) {
    return sub ( $t, $row ) { $t->{clock}->pass(1); return $code->( $t, $row ) };
}

# A service that listens on the same path of a file system of its own.
sub hidden ( $t, $row ) {
    my $dir = $t->dir;
    mkdir "$dir/own";
    my $service = Upstream502::Service->new( "$dir/hidden.log",
        'unshare', '-m', 'sh', '-c',
        "mount -t tmpfs tmpfs $dir/own && exec $^X -MIO::Socket::UNIX -e '"
          . 'my $s = IO::Socket::UNIX->new(Local => shift, Listen => 5); sleep\''
          . " $dir/own/app.sock" );
    wait_for 'it to listen', sub { listens_on("$dir/own/app.sock") };
    return $service;
}

# Who answers there, by itself.
sub served ( $at, $answer ) {
    return Upstream502::Service->answering( listen_tcp( host => $at->[0], port => $at->[1] ), $answer );
}

# A repair of the configuration.
sub says ( $from, $to ) {
    return sub ( $t, @ ) { edits( $from, $to )->( $t->{diagnosis} ) };
}

# Without a finding the checks are those of the cause.
my $BLIND = 'upstream_502_evidence off;';
my @WELL  = ( well => answer( http_last() ) );

# What curl says of a service that closes, and of one that does not.
my @EMPTY = ( qr/^curl: \(52\) Empty reply/m, qr{^< HTTP/1\.1 200}m );

# What a service says that listens, before and after.
my $LISTENS = [ qr/^ss -l/ => qr/LISTEN/, \'it listens, before and after' ];

sub listens_on ($path) { return qx{ss -Hlx src $path} =~ /LISTEN/ }

my @rows = (
    {
        name    => 'a directory is missing',
        conf    => 'proxy_pass http://unix:%%DIR%%/none/app.sock;',
        cause   => 'socket_missing',
        phase   => 'connect',
        errno   => 2,
        finding => 'directory_missing',
        checks  => [
            [ qr/^namei -l/ => qr/ none - No such file/, qr/^drwx.* none$/m ]
        ],
        repair => sub ( $t, $row ) { mkdir "$t->{dir}/none" },
    },
    {
        name    => 'the path is a file',
        conf    => 'proxy_pass http://unix:%%DIR%%/plain;',
        before  => rested( sub ( $t, @ ) { $t->write( 'plain', '' ); chmod 0666, "$t->{dir}/plain"; 0 } ),
        cause   => 'connection_refused',
        phase   => 'connect',
        errno   => 111,
        finding => 'not_a_socket',
        checks  => [ [ qr/^namei -l/ => qr/^-rw.* plain$/m, qr/^srw.* plain$/m ] ],
        repair  => sub ( $t, @ ) {
            unlink "$t->{dir}/plain";
            return listen_unix("$t->{dir}/plain");
        },
    },
    {
        name   => 'a directory may not be entered',
        conf   => 'fastcgi_pass unix:%%DIR%%/shut/app.sock;',
        before => rested(
            sub ( $t, @ ) {
                mkdir "$t->{dir}/shut", 0700;
                chmod 0755, $t->dir;
                return listen_unix("$t->{dir}/shut/app.sock");
            }
        ),
        cause   => 'permission_denied',
        phase   => 'connect',
        errno   => 13,
        finding => 'no_permission',
        checks  => [
            [ qr/^namei -l/ => qr/^drwx------ .* shut$/m, qr/^drwxr-xr-x .* shut$/m ],
            [ qr/^setpriv / => qr/^nginx may not connect$/, qr/^nginx may connect$/ ],
        ],
        repair => sub ( $t, @ ) { chmod 0755, "$t->{dir}/shut" },
    },
    {
        name    => 'the service sees another directory',
        conf    => 'proxy_pass http://unix:%%DIR%%/own/app.sock;',
        before  => rested( \&hidden ),
        cause   => 'socket_missing',
        phase   => 'connect',
        errno   => 2,
        finding => 'socket_hidden',
        checks  => [
            [ qr/^ls -l/ => qr/No such file/, qr/^srw/ ],
            [
                qr/^ss -Hlxnp src .*\|\|/ => qr{ LISTEN .*/own/app\.sock}m,
                \'it listens, before and after'
            ],
            [
                qr{ns/mnt} => qr/mnt:\[(\d+)\]\s+mnt:\[(?!\1\])\d+\]/,
                qr/mnt:(\S+)\s+mnt:\1\s/
            ],
        ],
        repair => sub ( $t, $row ) {
            $row->{held}->stop;
            return listen_unix("$t->{dir}/own/app.sock");
        },
    },
    {
        name    => 'an HTTP server on a port for FastCGI',
        b       => [ 'read_some', [ write => http_status(400) ], 'hold' ],
        well    => [ 'read_some', 'close' ],
        conf    => 'fastcgi_pass %%b%%;',
        cause   => 'protocol_error',
        phase   => 'header',
        finding => 'wrong_protocol',
        says    => 'as HTTP does',
        checks  => [
            [ qr/^curl /     => qr{^HTTP/1\.1 400}, qr/^curl: \(52\)/ ],
            [ qr/^ss /       => qr/^LISTEN .*"perl"/m, \'a backend of the same name' ],
            [ qr/^nginx -T / => qr/fastcgi_pass/, \'the address is right' ],
        ],
    },
    {
        name   => 'a name in a variable, and no resolver',
        conf   => 'set $to none.test; proxy_pass http://$to;',
        target => 'none.test',
        cause  => 'resolver_missing',
        phase  => 'resolve',
        checks => [ [ qr/-e 'resolver '/ => qr/\A\z/, qr/resolver 127\.0\.0\.1;/ ] ],
        repair => says( 'set $to' => 'resolver 127.0.0.1; set $to' ),
        not_in => 'angie|tengine',
    },
    {
        name   => 'a header that is too big',
        b      => answer( http_ok( 'ok', 'X-Big: ' . 'x' x 6000 ) ),
        conf   => "proxy_buffer_size 4k; $PASS",
        cause  => 'header_too_big',
        phase  => 'header',
        checks => [ [ qr/wc -c  # .*proxy_buffer_size \(4096\)$/ => qr/^6\d\d\d$/m, qr/^\d\d$/m ] ],
        @WELL,
    },
    {
        name   => 'a socket of PHP-FPM is not there',
        conf   => "$BLIND fastcgi_pass unix:%%DIR%%/php8.2-fpm.sock;",
        cause  => 'socket_missing',
        phase  => 'connect',
        errno  => 2,
        checks => [
            [ qr/^ls -l/ => qr/No such file/, qr/^srw/ ],
            [ qr/^ss -lxnp/ => qr/\A(?!.*LISTEN)/s, qr/LISTEN/ ],
        ],
        repair => sub ( $t, @ ) { listen_unix("$t->{dir}/php8.2-fpm.sock") },
    },
    {
        name   => 'nobody listens',
        conf   => "$BLIND proxy_pass http://127.0.0.1:8095;",
        cause  => 'connection_refused',
        phase  => 'connect',
        errno  => 111,
        checks => [
            [ qr/^ss -ltnp/ => qr/\A(?!.*LISTEN)/s, qr/LISTEN/ ],
            [ qr/^nginx -T/ => qr/proxy_pass http:\/\/127\.0\.0\.1:8095;/, \'the port is right' ],
        ],
        repair => sub (@) { listen_tcp( port => 8095 ) },
    },
    {
        name   => 'a service that closes',
        b      => [ 'read', 'close' ],
        conf   => "$BLIND $PASS",
        cause  => 'closed_before_response',
        phase  => 'header',
        checks => [ [ qr/^curl .* -v / => @EMPTY ] ],
        @WELL,
    },
    {
        name   => 'a service of IPv6 that closes',
        conf   => "$BLIND proxy_pass http://[::1]:8097;",
        before => sub (@) { served( [ '::1', 8097 ], '' ) },
        cause  => 'closed_before_response',
        phase  => 'header',
        checks => [ [ qr{^curl .* -v .*http://\[::1\]:8097/} => @EMPTY ] ],
        repair => sub ( $t, $row ) { $row->{held}->stop; served( [ '::1', 8097 ], http_last() ) },
        skip   => -e '/proc/net/if_inet6' ? undef : 'no IPv6',
    },
    {
        name   => 'a service on a unix socket that closes',
        unix   => 1,
        b      => [ 'read', 'close' ],
        conf   => "$BLIND proxy_pass http://%%b%%:/;",
        cause  => 'closed_before_response',
        phase  => 'header',
        checks => [ [ qr{^curl .* --unix-socket } => @EMPTY ] ],
        @WELL,
    },
    {
        name   => 'a service that says 502 itself',
        b      => answer( http_status( 502, 'no', 'Connection: close' ) ),
        conf   => "$BLIND $PASS",
        cause  => 'error_status',
        phase  => 'header',
        status => 502,
        origin => 'upstream',
        outcome => 'whole',
        received_status => 502,
        checks => [ [ qr/^curl .* -i / => qr{^HTTP/1\.1 502}, qr{^HTTP/1\.1 200} ] ],
        @WELL,
    },
    {
        name   => 'a service that does not answer',
        b      => [ 'read', 'hold' ],
        conf   => "$BLIND proxy_read_timeout 200ms; $PASS",
        cause  => 'read_timeout',
        phase  => 'header',
        errno  => 110,
        status => 504,
        checks => [
            $LISTENS,
            [ qr/^curl .*starttransfer/ => qr/^curl: \(28\)/m, qr/\Astatus 200, header after 0\.0/ ],
        ],
        @WELL,
    },
);

play(
    \@rows,
    setup => sub ($t) {
        chmod 0755, $t->dir;
        $t->{clock} = Upstream502::Clock->new( $t->dir );
    },
);
