#!/usr/bin/perl

# One action of a backend can show as several lines in nginx's log: what comes
# first is chance. Here it is not: nginx stands still while its peer acts, and
# then finds everything at once.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net  qw(accept_from reset_close wait_for);
use Upstream502::Race ();
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Tls qw(make_certificates);
use Upstream502::Wire;

plan skip_all => "IO::Socket::SSL is not installed"
  if !eval { require IO::Socket::SSL::Utils };

use constant SYN_SENT => 2;

my $TLS_PASS = 'proxy_ssl_protocols TLSv1.2; proxy_pass https://%%b%%;';
my $SWITCHED = "HTTP/1.1 101 Switching Protocols\r\n"
  . "Upgrade: x\r\nConnection: upgrade\r\n\r\n";
my $CHUNK = 0x1000;

sub setup ($t) { make_certificates( $t->dir ) }

# IO::Socket::SSL's options.
sub tls_server ($t) {
    return (
        SSL_server      => 1,
        SSL_version     => 'TLSv1_2',
        SSL_cert_file   => $t->dir . '/good.pem',
        SSL_key_file    => $t->dir . '/good.key',
        SSL_verify_mode => 0,
    );
}

# Has nginx wait in the queue of a listener that takes nobody, then takes it and
# does `action` while nginx stands still.
sub at_connect ( $name, $action, %row ) {
    return {
        name   => $name,
        b      => 'own',
        listen => { backlog => 0 },
        before => \&fill_queue,
        during => sub ( $t, $row ) {
            my $listener = $row->{listener}{b};
            my $port     = $listener->sockport;
            my %ours     = map { $_->sockport => 1 } @{ $row->{held} };
            wait_for 'nginx to connect', sub {
                return grep {
                         $_->[0] == $port
                      && $_->[1] == SYN_SENT
                      && !$ours{ $_->[3] }
                } Upstream502::Race::sockets();
            };
            $t->nginx->freeze(
                sub {
                    my $socket;
                    do { $socket = accept_from($listener) }
                      while $ours{ $socket->peerport };
                    $action->($socket);
                }
            );
        },
        unconnected => 1,
        %row,
    };
}

# Sends an RST after a FIN.
sub fin_reset ($socket) {
    shutdown $socket, 1;
    reset_close($socket);
}

my @at_connect = (
    at_connect(
        'reset at the moment of the connect',
        \&reset_close,
        site  => 'B11f',
        errno => 104,
    ),
    at_connect(
        'closed, then reset at the moment of the connect',
        \&fin_reset,
        site  => 'B11f',
        errno => 32,
    ),
    at_connect(
        'closed at the moment of the connect',
        sub ($socket) { close $socket },
        site => 'E5',
    ),
    at_connect(
        'a TLS port that resets at the moment of the connect',
        \&reset_close,
        conf  => $TLS_PASS,
        site  => 'B11h',
        errno => 104,
    ),
    at_connect(
        'a TLS port that closes at the moment of the connect',
        sub ($socket) { close $socket },
        conf => $TLS_PASS,
        site => 'C13',
    ),
    at_connect(
        'a TLS port that talks at the moment of the connect',
        sub ($socket) {
            syswrite $socket, "220 hello\r\n";
            state @kept = ($socket);
        },
        conf => $TLS_PASS,
        site => 'C12',
    ),
);

# TLS 1.2 ends with the server's word, so that nginx has nothing to send before
# the request: reset in between.
my @handshaked = (
    {
        name   => 'reset between the handshake and the request',
        site   => 'B11b',
        b      => 'own',
        conf   => $TLS_PASS,
        during => sub ( $t, $row ) {
            require IO::Socket::SSL;
            my $socket = accept_from( $row->{listener}{b} );
            $socket->blocking(0);
            IO::Socket::SSL->start_SSL(
                $socket,
                SSL_startHandshake => 0,
                tls_server($t),
            ) or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";

            # Its two messages: the hello, and the end of its part.
            wait_for 'the hello of TLS',
              sub { Upstream502::Race::arrived( $socket->peerport ) };
            $t->nginx->freeze( sub { $socket->accept_SSL } );
            wait_for 'the keys of TLS',
              sub { Upstream502::Race::arrived( $socket->peerport ) };
            $t->nginx->freeze(
                sub {
                    $socket->accept_SSL or die "TLS did not end\n";
                    $socket->stop_SSL( SSL_no_shutdown => 1 );
                    reset_close($socket);
                }
            );
        },
    },
);

# An upload goes on while its backend resets: nginx, frozen, finds the client's
# bytes first and writes.
sub upload ( $name, $prepare, %row ) {
    my $raw =
        "POST %%loc%% HTTP/1.1\r\nHost: localhost\r\nX-Test: %%id%%\r\n"
      . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      . chunk();
    return {
        name   => $name,
        b      => 'own',
        method => 'POST',
        raw    => $raw,
        during => sub ( $t, $row ) {
            my $socket = accept_from( $row->{listener}{b} );
            $socket = $prepare->( $t, $socket );
            $t->nginx->wait_idle;
            $t->nginx->freeze(
                sub {
                    syswrite $row->{sent}{socket}, chunk();
                    wait_for 'the bytes to arrive', sub {
                        Upstream502::Race::arrived(
                            $row->{sent}{socket}->sockport );
                    };
                    syswrite $socket, $row->{early} // '';
                    reset_close($socket);
                }
            );
            $row->{service} = serve( $row->{listener}{b}, $row->{serves} )
              if $row->{serves};
        },
        errno => qr/^(?:104|32)$/,
        %row,
        conf => "proxy_request_buffering off; proxy_http_version 1.1;
            lingering_close off; " . ( $row{conf} // $PASS ),
    };
}

# Answers whoever asks later, until it is killed, a few at most.
sub serve ( $listener, $answer ) {
    return Upstream502::Service::spawn(
        sub {
            for ( 1 .. 10 ) {
                my $socket = $listener->accept or next;
                sysread $socket, my $request, 65536;
                syswrite $socket, $answer;
                shutdown $socket, 1;
                1 while sysread $socket, $request, 65536;
            }
        }
    );
}

sub end ($pid) {
    kill KILL => $pid;
    waitpid $pid, 0;
}

sub chunk () { return sprintf "%x\r\n%s\r\n", $CHUNK, 'x' x $CHUNK }

sub read_until ( $socket, $end ) {
    my $in = '';
    while ( $in !~ /$end/ ) {
        sysread $socket, $in, 65536, length $in or die "gone\n";
    }
}

# What came after the first chunk, `early`, nginx has not read when the reset comes.
sub unread ( $name, %row ) {
    my $read = sub ( $t, $socket ) { read_until( $socket, qr/x\r\n$/ ); $socket };
    return upload( $name, $read, site => 'D1a', %row );
}
my @NO_ANSWER = ( unsaid => 'answered_early', evidence => { early_status => undef } );

my @uploads = (
    unread( 'reset while the client uploads', @NO_ANSWER ),
    unread(
        'garbage that nginx has not read, then a reset',
        @NO_ANSWER,
        early => "500 Internal Server Error\r\n\r\n",
    ),
    unread(
        'a word that it goes on, then a reset',
        early  => "HTTP/1.1 100 Continue\r\n\r\n",
        unsaid => 'answered_early',
    ),
    unread(
        'an answer that nginx has not read, then a reset',
        early    => "HTTP/1.1 413 Too Large\r\n\r\n",
        finding  => 'answered_early',
        says     => 'had answered 413',
        evidence => { early_status => 413 },
        serves   => "HTTP/1.1 413 Too Large\r\n\r\n",
        checks   => [ [ qr/curl .* -i / => qr{^HTTP/1\.1 413 }m, qr{^HTTP/1\.1 200 }m ] ],
        repair   => sub ( $t, $row ) {
            end( $row->{service} );
            $row->{service} = serve( $row->{listener}{b}, "HTTP/1.1 200 OK\r\n\r\n" );
            return;
        },
        after => sub ( $t, $row, @ ) { end( $row->{service} ) },
    ),
    upload(
        'the same over TLS',
        sub ( $t, $socket ) {
            require IO::Socket::SSL;
            IO::Socket::SSL->start_SSL( $socket, tls_server($t), )
              or die "TLS: $IO::Socket::SSL::SSL_ERROR\n";
            read_until( $socket, qr/x\r\n$/ );
            $socket->stop_SSL( SSL_no_shutdown => 1 );
            return $socket;
        },
        conf => $TLS_PASS,
        site => 'D5a',
    ),
    upload(
        'an answer that is early, then a reset',
        sub ( $t, $socket ) {
            read_until( $socket, qr/x\r\n$/ );
            syswrite $socket,
              "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nearly";
            wait_for 'nginx to have read it', sub { acknowledged($socket) };
            return $socket;
        },
        maybe   => [qw(D15b I3)],
        outcome => 'open',
    ),
);

# Whether the other side has taken all that was written.
sub acknowledged ($socket) {
    my $port = $socket->peerport;
    return !grep { $_->[3] == $port && $_->[2] > 0 }
      Upstream502::Race::sockets();
}

# A connection from nginx's cache that the backend gives up at the same moment.
sub cached ( $name, $action, %row ) {
    return {
        name   => $name,
        b      => 'own',
        http   => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf   => "$KEEPALIVE proxy_pass http://%%u%%;",
        method => 'POST',
        body   => 'order',
        before => sub ( $t, $row ) {
            my $sent   = $t->send("/r$row->{number}");
            my $socket = accept_from( $row->{listener}{b} );
            read_until( $socket, qr/\r\n\r\n/ );
            syswrite $socket, http_ok();
            $t->read($sent);
            my $kept = $t->get( '/status', keep => 1 );
            return { backend => $socket, client => $kept->{socket} };
        },
        ask => sub ( $t, $row, $uri, %send ) {
            my $sent;
            my ( $backend, $client ) = @{ $row->{held} }{qw(backend client)};
            $t->nginx->wait_idle;
            $t->nginx->freeze(
                sub {
                    $sent = $t->send( $uri, %send, socket => $client );
                    wait_for 'the request to arrive', sub {
                        Upstream502::Race::arrived( $client->sockport );
                    };
                    $action->($backend);
                }
            );
            if ( $row->{saved} ) {
                my $second = accept_from( $row->{listener}{b} );
                read_until( $second, qr/order$/ );
                syswrite $second, http_ok();
            }
            return $t->read($sent);
        },
        reused => 1,
        %row,
    };
}

# Nothing was sent yet: even POST is tried again.
my @cached = (
    cached(
        'a cached connection is reset at the moment of its use',
        \&reset_close,
        site  => 'B11g',
        errno => 104,
        saved => 1,
    ),
    cached(
        'a cached connection is closed, then reset',
        \&fin_reset,
        site  => 'B11g',
        errno => 32,
        saved => 1,
    ),
    cached(
        'a cached connection is closed at the moment of its use',
        sub ($socket) { close $socket },
        maybe => [qw(E5b E1b)],
    ),
);

my @upgraded = (
    {
        name => 'an upgraded connection is reset while the client sends',
        site => 'D17a',
        b    => 'own',
        conf => "proxy_http_version 1.1; proxy_set_header Upgrade x;
            proxy_set_header Connection upgrade; $PASS",
        headers => [ 'Upgrade: x', 'Connection: upgrade' ],
        during  => sub ( $t, $row ) {
            my $socket = accept_from( $row->{listener}{b} );
            my $client = $row->{sent}{socket};
            read_until( $socket, qr/\r\n\r\n/ );
            syswrite $socket, $SWITCHED;
            read_until( $client, qr/\r\n\r\n/ );
            $t->nginx->wait_idle;
            $t->nginx->freeze(
                sub {
                    syswrite $client, 'frame';
                    wait_for 'the bytes to arrive', sub {
                        Upstream502::Race::arrived( $client->sockport );
                    };
                    reset_close($socket);
                }
            );
        },
        logged_status => 101,
        outcome       => 'open',
        errno         => qr/^(?:104|32)$/,
    },
);

play( [ @at_connect, @handshaked, @uploads, @cached, @upgraded ],
    setup => \&setup );
