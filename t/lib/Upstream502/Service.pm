# A real server of somebody else's: started in the test's folder, in a process
# group of its own, which ends with the test whatever becomes of that.
#
#   my $node = Upstream502::Service->new( "$dir/node.log", 'node', 'app.js' );
#   wait_for 'node', sub { listens($port) };
#   $node->signal('STOP');
#   $node->stop;

package Upstream502::Service;

use v5.36;

use IO::Select         ();
use POSIX              ();
use Upstream502::Net   qw(wait_for);
use Upstream502::Nginx ();

sub new ( $class, $log, @command ) {
    my $self = bless { log => $log, owner => $$ }, $class;
    return $self->_begin( sub { $self->_exec(@command) } );
}

# A process that answers whatever comes to a listener of the test's with these
# bytes.
sub answering ( $class, $listener, $bytes ) {
    my $self = bless { owner => $$ }, $class;
    return $self->_begin(
        sub {
            while ( my $socket = $listener->accept ) {
                sysread $socket, my $in, 65536;
                syswrite $socket, $bytes;
                close $socket;
            }
        }
    );
}

sub _begin ( $self, $code ) {
    pipe my $watched, $self->{held} or die "pipe: $!\n";
    my $held = $self->{held};
    $self->{pid}   = spawn($code);
    $self->{guard} = spawn(
        sub {
            close $held;
            sysread $watched, my $nothing, 1;
            kill KILL => -$self->{pid};
        }
    );
    return $self;
}

# In a process group of its own, before this returns.
sub spawn ($code) {
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        setpgrp 0, 0;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $code->();
        POSIX::_exit(0);
    }
    setpgrp $pid, $pid;
    return $pid;
}

sub _exec ( $self, @command ) {
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', $self->{log};
    open STDERR, '>&', \*STDOUT;
    exec @command or POSIX::_exit(127);
}

sub pid ($self) { return $self->{pid} }

# What it has written.
sub log ($self) { return Upstream502::Nginx::slurp( $self->{log} ) }

# To its first process, and to all of its processes.
sub signal     ( $self, $signal ) { return kill $signal => $self->{pid} }
sub signal_all ( $self, $signal ) { return kill $signal => -$self->{pid} }

# With this signal, or with KILL and all its processes.
sub stop ( $self, $signal = undef ) {
    if ( $$ != $self->{owner} || !$self->{guard} ) {
        return;
    }
    if ( !$signal || !$self->signal($signal) || !$self->_ends ) {
        $self->signal_all('KILL');
        waitpid $self->{pid}, 0;
    }
    my $guard = delete $self->{guard};
    kill KILL => $guard;
    waitpid $guard, 0;
}

sub _ends ($self) {
    return eval {
        wait_for 'the service to end',
          sub { waitpid( $self->{pid}, POSIX::WNOHANG() ) == $self->{pid} };
    };
}

sub DESTROY ($self) { local $?; $self->stop }

1;
