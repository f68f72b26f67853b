#!/usr/bin/perl

# Around an attempt: the cache, clients that leave or stall, subrequests.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Backend qw(sequence);
use Upstream502::H2      ();
use Upstream502::Net     qw(accept_from reset_close wait_for);
use Upstream502::Nginx   ();
use Upstream502::Race    ();
use Upstream502::Runner;
use Upstream502::Wire;

my $HOLD = [ 'read', 'hold' ];
my $BIG  = 'x' x ( 16 * 1024 * 1024 );

# Once an answer that is good for a second, then another.
sub once ( $script, @headers ) {
    return sequence(
        answer( http_ok( 'old', 'Cache-Control: max-age=1', @headers ) ),
        $script );
}

sub setup ($t) {
    $t->write( 'include.html', '<!--# include virtual="$arg_uri" -->' );
}

sub cached (%row) {
    my $directives = delete $row{directives} // '';
    return {
        http => 'proxy_cache_path %%DIR%%/%%u%% keys_zone=%%u%%:1m;',
        conf => "proxy_cache %%u%%; proxy_cache_key k; $directives $PASS",
        %row,
    };
}

# Fills the row's cache and returns the file.
sub fill ( $t, $row ) {
    $t->get("/r$row->{number}");
    my $folder = $t->dir . "/u$row->{number}";
    return wait_for 'a cached file', sub { ( glob "$folder/*" )[0] };
}

# Asks until the copy has expired and the backend is asked again.
sub ask_stale ( $t, $row, $uri, %send ) {
    wait_for 'the copy to expire', sub {
        my $file = ( glob $t->dir . "/u$row->{number}/*" )[0] // return 0;
        return time > ( stat $file )[9] + 2;
    };
    return $t->get( $uri, %send );
}

# Breaks the header that a cached file holds.
sub corrupt ($file) {
    my $text = Upstream502::Nginx::slurp($file);
    $text =~ s/\nX-Mark: /\nX Mark: / or die "no mark in $file\n";
    open my $out, '+<:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

my @FROM_CACHE = (
    directives    => 'proxy_cache_valid 502 1h;',
    warmup        => 1,
    warmup_status => 502,
    status        => 502,
    origin        => 'cache',
    upstream      => undef,                         # which was not asked
    attempts      => 0,
);

my @cache = (
    cached(
        name => "the upstream's 502 from the cache",
        site => 'H8',
        b    => answer( http_status( 502, 'theirs' ) ),
        @FROM_CACHE,
    ),
    cached(
        name => "nginx's own 502 from the cache",
        site => 'A10',
        b    => [ 'read', 'close' ],
        @FROM_CACHE,
    ),
    cached(
        name       => 'a cached file without permission to read',
        site       => 'A9',
        directives => 'proxy_cache_valid any 1h;',
        b          => answer( http_ok() ),
        before     => sub ( $t, $row ) { chmod 0, fill( $t, $row ) },
        status     => 500,
        message    => qr/^open\(\) "\S+" failed \(13: Permission denied\)$/,
    ),
    cached(
        name       => 'a cached header that was overwritten',
        site       => 'A11',
        directives => 'proxy_cache_valid any 1h;',
        b          => answer( http_ok( 'ok', 'X-Mark: x' ) ),
        before     => sub ( $t, $row ) { corrupt( fill( $t, $row ) ) },
    ),
    cached(
        name       => 'a stale answer hides a reset',
        site       => 'K5',
        directives => 'proxy_cache_use_stale error;',
        b          => once( [ 'read', 'rst' ] ),
        before     => \&fill,
        ask        => \&ask_stale,
        status     => 200,
        rescued    => 1,
    ),
    cached(
        name            => "a stale answer hides the upstream's 502",
        site            => 'H5',
        directives      => 'proxy_cache_use_stale http_502;',
        b               => once( answer( http_status(502) ) ),
        before          => \&fill,
        ask             => \&ask_stale,
        status          => 200,
        rescued         => 1,
        received_status => 502,
    ),
    cached(
        name       => 'a stale answer that cannot be read',
        sites      => [qw(E1 K6)],
        directives => 'proxy_cache_use_stale error;',
        b          => once( [ 'read', 'rst' ], 'X-Mark: x' ),
        before     => sub ( $t, $row ) { corrupt( fill( $t, $row ) ) },
        ask        => \&ask_stale,
        status     => 500,
    ),
    cached(
        name    => 'no HTTP at all with a cache, without a word',
        site    => 'E10b',
        b       => answer("garbage\r\n"),
        status  => 9,
        outcome => 'open',
        passed  => 1,
    ),
    cached(
        name => 'a cache key larger than the buffer',
        site => 'K9a',
        b    => answer( http_ok() ),
        conf => 'proxy_cache %%u%%; proxy_cache_key '
          . 'k' x 4000
          . "; proxy_buffer_size 4k; proxy_buffers 4 4k; $PASS",
    ),
);

# A client that goes when the row's backend has what it waits for.
sub leaves ( $phase, %row ) {
    return {
        name   => "a client leaves: $phase",
        site   => 'K1',
        status => 499,
        ask    => sub ( $t, $row, $uri, %send ) {
            my $sent = $t->send( $uri, %send );
            $row->{reached}
              ? $row->{reached}->( $t, $row )
              : $t->farm->wait_connections( "r$row->{number}_b", 1 );
            $t->nginx->wait_idle;
            close $sent->{socket};
            return { id => $sent->{id} };
        },
        outcome => 'open',
        %row,
    };
}

my @clients = (
    leaves(
        'nginx connects',
        b       => 'own',
        listen  => { backlog => 0 },
        before  => \&fill_queue,
        reached => sub ( $t, $row ) {
            my $port = $row->{listener}{b}->sockport;
            wait_for 'nginx to connect', sub {
                grep { $_->[0] == $port && $_->[1] == 2 }
                  Upstream502::Race::sockets();
            };
        },
    ),
    leaves(
        'the TLS handshake',
        b    => [ 'read_some', 'hold' ],
        conf => 'proxy_pass https://%%b%%;',
    ),
    leaves(
        'nginx sends the body',
        b      => ['ignore'],
        conf   => "client_max_body_size 0; $PASS",
        method => 'POST',
        body   => $BIG,
    ),
    leaves( 'nginx waits for the header', b => $HOLD ),
    leaves(
        'inside the header',
        b => [ 'read', [ write => "HTTP/1.1 200 OK\r\n" ], 'hold' ],
    ),
    leaves(
        'the answer is to be cached',
        cached( b => $HOLD, directives => 'proxy_read_timeout 300ms;' )->%*,
        sites => [qw(K2 K4)],
    ),
);

push @clients, {
    name => 'a client cancels its stream',
    site => 'K3',
    b    => $HOLD,
    http =>
      "server { listen 127.0.0.1:%%PORT_h2%% http2; location / { $PASS } }",
    ask => sub ( $t, $row, $uri, % ) {
        my $client = Upstream502::H2->new( $t->port('h2') );
        $client->send( 1, $uri, 'x-test' => 'cancel' );
        $t->farm->wait_connections( "r$row->{number}_b", 1 );
        $client->cancel(1);
        return { id => 'cancel', client => $client };
    },
    status  => 499,
    outcome => 'open',
};

# Uploads that nginx passes on as they come.
sub upload ( $site, $name, $status, %row ) {
    my $then = $row{then};
    return {
        site => $site,
        name => $name,
        b    => $HOLD,
        conf => "proxy_request_buffering off; proxy_http_version 1.1;
            client_max_body_size 2k; lingering_close off; "
          . ( delete $row{directives} // '' )
          . $PASS,
        method => 'POST',
        raw => "POST %%loc%% HTTP/1.1\r\nHost: localhost\r\nX-Test: %%id%%\r\n"
          . "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        during => sub ( $t, $row ) {
            $t->farm->wait_connections( "r$row->{number}_b", 1 );
            $t->nginx->wait_idle;
            my $socket = $row->{sent}{socket};
            defined $then ? syswrite $socket, $then : shutdown $socket, 1;
        },
        status  => $status,
        outcome => 'open',
        %row,
    };
}

my @uploads = (
    upload( D12a => 'a broken upload', 400, then => "no chunk\r\n" ),
    upload(
        D12b => 'an upload that grows too large',
        413,
        then => "fff\r\n" . 'x' x 0xfff . "\r\n"
    ),
    upload( D12c => 'a client that leaves while it uploads', 400 ),
    upload(
        D16 => 'a client that stalls while it uploads',
        408,
        during     => undef,
        directives => 'client_body_timeout 300ms;',
    ),
);

my $INCLUDE = 'ssi on; ssi_types *; alias %%DIR%%/include.html;';

my @others = (
    {
        name => 'a failure after the client has left unseen',
        site => 'E1',
        b    => 'own',
        conf => "proxy_ignore_client_abort on; client_body_timeout 1s;
            send_timeout 1s; $PASS",
        ask => sub ( $t, $row, $uri, %send ) {
            my $sent   = $t->send( $uri, %send );
            my $socket = accept_from( $row->{listener}{b} );
            reset_close( $sent->{socket} );
            $t->nginx->wait_idle;
            reset_close($socket);
            return { id => $sent->{id} };
        },
        outcome => 'open',
    },
    {
        name => 'a client that does not read',
        site => 'I26',
        b    => answer( http_ok($BIG) ),
        conf => "send_timeout 300ms; proxy_max_temp_file_size 0;
            sendfile off; $PASS",
        during => sub ( $t, $row ) {
            wait_for 'nginx to give up', sub {
                $t->error_log =~ m{client timed out.*"GET /r$row->{number} };
            };
        },
        outcome => 'open',
    },
    {
        name   => 'auth_request whose server is down',
        sites  => [qw(K7 K8)],
        conf   => 'auth_request %%loc%%/auth; proxy_pass http://%%b%%;',
        b      => answer( http_ok() ),
        server => 'location = %%loc%%/auth { internal;
            proxy_pass http://%%closed%%; }',
        upstream => undef,
        status   => 500,
    },
    {
        name     => 'auth_request answered 302',
        site     => 'K7b',
        conf     => 'auth_request %%loc%%/auth; proxy_pass http://%%b2%%;',
        b        => answer( http_status( 302, '', 'Location: /login' ) ),
        b2       => answer( http_ok() ),
        server   => "location = %%loc%%/auth { internal; $PASS }",
        upstream => undef,
        status   => 500,
        gateway  => 0,
        received_status => 302,
        peer            => '%%b%%',
    },
    {
        name   => "auth_request answered 302, after another server's reset",
        sites  => [qw(E1 K7b)],
        conf   => 'auth_request %%loc%%/auth; proxy_pass http://%%b3%%;',
        b      => [ 'read', 'rst' ],
        b2     => answer( http_status( 302, '', 'Location: /login' ) ),
        b3     => answer( http_ok() ),
        http   => 'upstream %%u%% { server %%b%%; server %%b2%% backup; }',
        server => 'location = %%loc%%/auth { internal;
            proxy_pass http://%%u%%; }',
        upstream        => undef,
        status          => 500,
        gateway         => 0,
        received_status => 302,
        peer            => '%%b2%%',
    },
    {
        name     => 'auth_request answered with no HTTP at all',
        sites    => [qw(E10 K7)],
        conf     => 'auth_request %%loc%%/auth; proxy_pass http://%%b2%%;',
        b        => answer("garbage\r\n"),
        b2       => answer( http_ok() ),
        server   => "location = %%loc%%/auth { internal; $PASS }",
        upstream => undef,
        status   => 500,
        passed   => 1,
    },
    {
        name     => 'an SSI include that is down',
        site     => 'K8',
        conf     => $INCLUDE,
        args     => '?uri=%%loc%%/down',
        server   => 'location = %%loc%%/down { proxy_pass http://%%closed%%; }',
        upstream => undef,
        status   => 200,
        quiet    => 1,
    },
    {
        name   => '101 to an SSI include',
        site   => 'I23',
        b      => answer("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n"),
        conf   => $INCLUDE,
        args   => '?uri=%%loc%%/upgrade',
        server =>
          "location = %%loc%%/upgrade { proxy_http_version 1.1; $PASS }",
        headers  => [ 'Upgrade: x', 'Connection: upgrade' ],
        upstream => undef,
        outcome  => 'open',
        quiet    => 1,
    },
);

play( [ @cache, @clients, @uploads, @others ], setup => \&setup );
