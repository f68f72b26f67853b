# Addresses that nobody else can take, and waiting for things to happen.

package Upstream502::Net;

use v5.36;

use Exporter   qw(import);
use IO::Select ();
use IO::Socket::IP;
use IO::Socket::UNIX;
use List::Util qw(min);
use Socket qw(PF_UNIX SOCK_NONBLOCK SOCK_STREAM SOL_SOCKET SO_LINGER
  pack_sockaddr_un);
use Time::HiRes qw(sleep time);

our @EXPORT_OK =
  qw(reserve_port listen_tcp listen_unix bind_udp wait_for reset_close
  fill_tcp_queue fill_unix_queue accept_from idle_ms PATIENCE);

# Nothing in a test may take longer; a deadline is only met when something is
# broken, so it is generous.
use constant PATIENCE => 20;

# A port of 127.0.0.1 that is ours as long as the returned socket lives: bound
# but not listening, so that connecting is refused until nginx, which sets
# SO_REUSEADDR as well, listens there.
sub reserve_port () {
    my $socket = IO::Socket::IP->new(
        LocalHost => '127.0.0.1',
        LocalPort => 0,
        Type      => SOCK_STREAM,
        ReuseAddr => 1,
    ) or die "cannot reserve a port: $@\n";
    return ( $socket->sockport, $socket );
}

# `port` is one that reserve_port() holds.
sub listen_tcp (%options) {
    my $socket = IO::Socket::IP->new(
        LocalHost => $options{host} // '127.0.0.1',
        LocalPort => $options{port} // 0,
        ReuseAddr => defined $options{port},
        Type      => SOCK_STREAM,
        Listen    => 128,
    ) or die "cannot listen: $@\n";
    return with_backlog( $socket, %options );
}

# Workers run as another user: the mode of the socket decides who may connect.
sub listen_unix ( $path, %options ) {
    my $socket = IO::Socket::UNIX->new(
        Local  => $path,
        Type   => SOCK_STREAM,
        Listen => 128,
    ) or die "cannot listen on $path: $!\n";
    chmod $options{mode} // 0777, $path or die "chmod $path: $!\n";
    return with_backlog( $socket, %options );
}

# IO::Socket takes a backlog of 0 for a missing one.
sub with_backlog ( $socket, %options ) {
    if ( defined $options{backlog} ) {
        listen $socket, $options{backlog} or die "listen: $!\n";
    }
    return $socket;
}

sub bind_udp ( $port = 0 ) {
    return IO::Socket::IP->new(
        LocalHost => '127.0.0.1',
        LocalPort => $port,
        Proto     => 'udp',
    ) // die "cannot bind: $@\n";
}

# Calls `condition` until it returns something true, which is returned.
sub wait_for ( $what, $condition, $patience = PATIENCE ) {
    my $deadline = time + $patience;
    my $delay    = 0.002;
    while (1) {
        if ( my $result = $condition->() ) {
            return $result;
        }
        if ( time > $deadline ) {
            die "gave up waiting for $what\n";
        }
        sleep $delay;
        $delay = $delay < 0.05 ? $delay * 1.5 : $delay;
    }
}

# Closes with an RST instead of a FIN.
sub reset_close ($socket) {
    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack( 'II', 1, 0 );
    close $socket;
}

# The next connection to a listener.
sub accept_from ($listener) {
    IO::Select->new($listener)->can_read(PATIENCE)
      or die "nobody connects\n";
    return $listener->accept // die "accept: $!\n";
}

# Connects until the accept queue of `port` is full and further SYNs are
# dropped. The queue stays full while the returned sockets live.
sub fill_tcp_queue ( $port, $host = '127.0.0.1' ) {
    my @held;
    for ( 1 .. 8 ) {
        my $socket = IO::Socket::IP->new(
            PeerHost => $host,
            PeerPort => $port,
            Type     => SOCK_STREAM,
            Blocking => 0,
        ) or die "cannot connect: $@\n";
        push @held, $socket;
        if ( !IO::Select->new($socket)->can_write(0.3) ) {
            return \@held;
        }
    }
    die "the accept queue of port $port does not fill\n";
}

sub fill_unix_queue ($path) {
    my @held;
    for ( 1 .. 8 ) {
        socket my $socket, PF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0
          or die "socket: $!\n";
        if ( !connect $socket, pack_sockaddr_un($path) ) {
            return \@held;
        }
        push @held, $socket;
    }
    die "the accept queue of $path does not fill\n";
}

# For how long nothing has come over any connection to `port`, as the kernel
# counts it; 0 where there is none.
sub idle_ms ($port) {
    my @idle = qx(ss -Htni state established 'dport = :$port') =~ /lastrcv:(\d+)/g;
    return min(@idle) // 0;
}

1;
