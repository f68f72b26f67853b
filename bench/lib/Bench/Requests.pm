# The kinds of requests that are measured, the backends behind them and a
# client that asks for one at a time.

package Bench::Requests;

use v5.36;

use Exporter         qw(import);
use IO::Select       ();
use IO::Socket::IP   ();
use POSIX            ();
use Socket           qw(IPPROTO_TCP TCP_CORK);
use Upstream502::Net  qw(listen_tcp reserve_port);
use Upstream502::Wire qw(http_ok fcgi fcgi_end);

our @EXPORT_OK = qw(@KINDS backends configuration ask hang_up stop_backends);

our @KINDS = (
    { name => 'success, keep-alive',    uri => '/kept', keep => 1 },
    { name => 'success, no keep-alive', uri => '/new' },
    { name => 'refused, 502', uri => '/refused', keep => 1, status => 502 },
    {
        name   => 'refused, 502, error_log crit',
        uri    => '/unlogged',
        keep   => 1,
        status => 502
    },
    { name => 'premature close, 502', uri => '/close', keep => 1, status => 502 },
    { name => 'rescued by a retry', uri => '/retry',   keep => 1 },
    { name => 'success, FastCGI',   uri => '/fastcgi', keep => 1 },
);

my ( @children, %reserved, $client );

sub configuration (%port) {
    my $upstreams = join "\n", map {
        "upstream $_->[0] { $_->[1] keepalive 4; keepalive_requests 100000000; }"
      } (
        [ kept    => "server 127.0.0.1:$port{ok};" ],
        [ fastcgi => "server 127.0.0.1:$port{fastcgi};" ],
        [
            retry => "server 127.0.0.1:$port{refused} max_fails=0;
                server 127.0.0.1:$port{ok} backup;"
        ],
      );
    return (
        http   => $upstreams,
        server => <<"CONF",
proxy_http_version 1.1;
proxy_set_header Connection "";
location /kept { proxy_pass http://kept; }
location /new { proxy_pass http://127.0.0.1:$port{once}; }
location /refused { proxy_pass http://127.0.0.1:$port{refused}; }
location /unlogged {
    error_log stderr crit;
    proxy_pass http://127.0.0.1:$port{refused};
}
location /close { proxy_pass http://127.0.0.1:$port{close}; }
location /retry { proxy_pass http://retry; }
location /fastcgi { fastcgi_pass fastcgi; fastcgi_keep_conn on; }
CONF
    );
}

sub backends () {
    my $answer = http_ok('ok');
    my %port   = (
        ok    => backend( qr/\r\n\r\n\z/, $answer, 1 ),
        once  => backend( qr/\r\n\r\n\z/, $answer, 0 ),
        close => backend( qr/\r\n\r\n\z/, '',      0 ),

        # An empty STDIN record ends the request.
        fastcgi => backend(
            qr/\x01\x05..\0\0.\0\z/s,
            fcgi( 6, "Status: 200 OK\r\n\r\nok" ) . fcgi( 6, '' ) . fcgi_end(),
            1
        ),
    );
    ( $port{refused}, $reserved{refused} ) = reserve_port();
    return %port;
}

# Answers one request at a time per connection.
sub backend ( $end, $answer, $keep ) {
    my $listener = listen_tcp();
    my $pid      = fork // die "fork: $!\n";
    if ($pid) {
        push @children, $pid;
        return $listener->sockport;
    }
    @SIG{qw(HUP INT TERM)} = ('DEFAULT') x 3;
    $SIG{PIPE} = 'IGNORE';
    my $sockets = IO::Select->new($listener);
    my %read;
    while ( my @ready = $sockets->can_read ) {
        for my $socket (@ready) {
            if ( $socket == $listener ) {
                $sockets->add( scalar $listener->accept );
                next;
            }
            my $got = sysread $socket, $read{$socket}, 65536,
              length( $read{$socket} // '' );
            if ( $got && $read{$socket} !~ $end ) {
                next;
            }
            if ($got) {

                # The end of the connection comes with the last byte, always.
                setsockopt $socket, IPPROTO_TCP, TCP_CORK, 1 if !$keep;
                syswrite $socket, $answer;
            }
            delete $read{$socket};
            if ( !$got || !$keep ) {
                $sockets->remove($socket);
                close $socket;
            }
        }
    }
    POSIX::_exit(0);
}

sub stop_backends () {
    kill 'KILL', @children;
    waitpid $_, 0 for @children;
}

# Returns when nginx has closed, too, and so has logged the last request.
sub hang_up () {
    if ($client) {
        shutdown $client, 1;
        sysread $client, my $nothing, 1;
    }
    undef $client;
}

sub ask ( $kind, $port ) {
    my $connection = $kind->{keep} ? 'keep-alive' : 'close';
    $client //= IO::Socket::IP->new("127.0.0.1:$port")
      // die "no connection to nginx: $@\n";
    syswrite $client, "GET $kind->{uri} HTTP/1.1\r\nHost: localhost\r\n"
      . "Connection: $connection\r\n\r\n";
    my $response = '';
    while ( !whole($response) ) {
        sysread( $client, $response, 65536, length $response )
          or die "nginx hung up\n";
    }
    my $status = $kind->{status} // 200;
    $response =~ m{\AHTTP/1.1 $status } or die "expected $status:\n$response";
    if ( !$kind->{keep} ) {
        sysread $client, $response, 1;    # nginx closes first
        hang_up();
    }
}

sub whole ($response) {
    my ( $head, $body ) = split /\r\n\r\n/, $response, 2;
    return 0 if !defined $body;
    return length $body >= $1 if $head =~ /^Content-Length: (\d+)/m;
    return $body =~ /^0\r\n\r\n\z/m;
}

1;
