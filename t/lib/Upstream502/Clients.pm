# Clients that keep their connections and send requests in batches, some of
# them (`aborted`) to go away at once. What a connection that ended has left
# unanswered is sent again, so that every request is answered just once.
#
#   my $clients = Upstream502::Clients->new( $port, \@kinds, $count );
#   $clients->wait;
#
# Request N is of kind N modulo the number of kinds.

package Upstream502::Clients;

use v5.36;

use IO::Select        ();
use List::Util        qw(min);
use POSIX             ();
use Upstream502::Http qw(connect_to);
use Upstream502::Load qw(request_of);

use constant {
    PROCESSES   => 2,
    CONNECTIONS => 12,
    BATCH       => 5,
};

sub new ( $class, $port, $kinds, $count ) {
    my @pids;
    for my $number ( 0 .. PROCESSES - 1 ) {
        my $pid = fork // die "fork: $!\n";
        if ( $pid == 0 ) {
            my $self = bless { port => $port, kinds => $kinds }, $class;
            $self->{todo} =
              [ grep { $_ % PROCESSES == $number } 0 .. $count - 1 ];
            eval { $self->_run; 1 } or print STDERR "client: $@";
            POSIX::_exit( $@ ? 1 : 0 );
        }
        push @pids, $pid;
    }
    return bless { pids => \@pids }, $class;
}

# True when every request has been answered.
sub wait ($self) {
    my $failed = 0;
    for my $pid ( @{ $self->{pids} } ) {
        waitpid $pid, 0;
        $failed ||= $?;
    }
    return !$failed;
}

sub _run ($self) {
    local $SIG{PIPE} = 'IGNORE';
    my $select = IO::Select->new;
    my %connections;
    while ( @{ $self->{todo} } || %connections ) {
        while ( @{ $self->{todo} } && keys %connections < CONNECTIONS ) {
            my $c = $self->_connect // next;
            $select->add( $c->{socket} );
            $connections{ $c->{socket} } = $c;
        }
        for my $socket ( $select->can_read ) {
            if ( !$self->_read( $connections{$socket} ) ) {
                $select->remove($socket);
                delete $connections{$socket};
            }
        }
    }
}

sub _connect ($self) {
    my $c = { socket => connect_to( $self->{port} ), in => '', sent => [] };
    if ( $self->_kind( $self->{todo}[0] ) eq 'aborted' ) {
        my $id = shift @{ $self->{todo} };
        syswrite $c->{socket}, request_of( 'aborted', $id );
        close $c->{socket};
        return undef;
    }
    $self->_send($c);
    return $c;
}

sub _kind ( $self, $id ) { return $self->{kinds}[ $id % @{ $self->{kinds} } ] }

# The next batch; none where the next request is one to abort.
sub _send ( $self, $c ) {
    my $batch = '';
    while ( @{ $self->{todo} } && @{ $c->{sent} } < BATCH ) {
        my $id   = $self->{todo}[0];
        my $kind = $self->_kind($id);
        last if $kind eq 'aborted';
        push @{ $c->{sent} }, shift @{ $self->{todo} };
        $batch .= request_of( $kind, $id );
    }
    syswrite $c->{socket}, $batch;
    return length $batch;
}

# False when the connection has ended.
sub _read ( $self, $c ) {
    if ( !sysread $c->{socket}, $c->{in}, 65536, length $c->{in} ) {
        shift @{ $c->{sent} } if length $c->{in};    # a response that is cut
        unshift @{ $self->{todo} }, @{ $c->{sent} };
        return 0;
    }
    while ( my $length = response_length( $c->{in} ) ) {
        substr $c->{in}, 0, $length, '';
        shift @{ $c->{sent} };
    }
    return @{ $c->{sent} } || $self->_send($c);
}

# The length of the first response in `bytes`, 0 while it is not all there.
sub response_length ($bytes) {
    my $end = index $bytes, "\r\n\r\n";
    if ( $end < 0 ) {
        return 0;
    }
    my $head = substr $bytes, 0, $end += 4;
    if ( $head =~ /^Content-Length: (\d+)/im ) {
        $end += $1;
        return length $bytes >= $end ? $end : 0;
    }
    pos $bytes = $end;
    return $bytes =~ /\G(?:[1-9a-f][0-9a-f]*\r\n.*?\r\n)*?0\r\n\r\n/gs
      ? pos $bytes
      : 0;
}

1;
