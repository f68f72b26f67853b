# Scripted backends: one process for all of a test's backends, which forks for
# every connection and plays that connection's script.
#
#   my $farm = Upstream502::Backend->new($dir);
#   $farm->tcp( b1 => [ 'read', [ write => $bytes ], 'rst' ] );
#   $farm->tcp( b2 => sequence( $first_connection, $all_others ) );
#   $farm->start;
#
# A script is a list of steps (see Steps.pm), or a function that gets the
# connection; or, where thousands of connections come, `at_once`. The farm dies
# with the test: it watches a pipe from it.

package Upstream502::Backend;

use v5.36;

use Exporter           qw(import);
use IO::Select         ();
use POSIX              ();
use Upstream502::Net   qw(listen_tcp listen_unix bind_udp reset_close wait_for);
use Upstream502::Steps ();

our @EXPORT_OK = qw(at_once sequence);

# One script per connection, in the order they arrive; the last one repeats.
sub sequence (@scripts) {
    return bless { scripts => \@scripts }, 'Upstream502::Backend::Sequence';
}

# Answers every request as soon as it is there, without a process of its own:
# with these bytes, and then "keep", "close", "rst" or "hold"; or with what a
# function returns, which gets the number of the request on its connection.
# A request is whatever comes first, or `http => 1` a whole one with its body.
sub at_once ( $answer, %options ) {
    return bless { answer => $answer, %options },
      'Upstream502::Backend::AtOnce';
}

sub new ( $class, $dir ) {
    return bless {
        dir       => $dir,
        listeners => {},
        children  => [],
    }, $class;
}

# Each registers a backend and returns its address: a port or a path.
sub tcp ( $self, $name, $script, %options ) {
    my $well   = delete $options{well};
    my $socket = listen_tcp(%options);
    $self->_add( $name, $socket, $script, $well );
    return $socket->sockport;
}

sub unix ( $self, $name, $script, %options ) {
    my $path = "$self->{dir}/$name.sock";
    my $well = delete $options{well};
    $self->_add( $name, listen_unix( $path, %options ), $script, $well );
    return $path;
}

# `script` gets each datagram and returns the answer or undef for silence.
sub udp ( $self, $name, $script, %options ) {
    my $socket = bind_udp( $options{port} // 0 );
    $self->_add( $name, $socket, $script );
    $self->{listeners}{$name}{udp} = 1;
    return $socket->sockport;
}

# From now on it plays the script that was given as `well`.
sub repair ( $self, $name ) {
    open my $file, '>', "$self->{dir}/$name.well" or die "$name: $!\n";
}

sub _add ( $self, $name, $socket, $script, $well = undef ) {
    if ( exists $self->{listeners}{$name} ) {
        die "two backends are called $name\n";
    }
    $self->{listeners}{$name} = {
        name    => $name,
        socket  => $socket,
        scripts => ref $script eq 'Upstream502::Backend::Sequence'
        ? $script->{scripts}
        : [$script],
        at_once  => ref $script eq 'Upstream502::Backend::AtOnce' ? $script : 0,
        accepted => 0,
        well     => $well,
    };
}

# Plays what was added since the last call.
sub start ($self) {
    if ( !%{ $self->{listeners} } ) {
        return;
    }
    pipe my $watched, my $held or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        close $held;
        eval { $self->_serve($watched); 1 } or print STDERR "backend: $@";
        POSIX::_exit(0);
    }
    push @{ $self->{children} }, { pid => $pid, held => $held };
    $self->{started}{$_} = 1 for keys %{ $self->{listeners} };
    $self->{listeners} = {};
}

sub stop ($self) {
    for my $child ( splice @{ $self->{children} } ) {
        kill KILL => -$child->{pid}, $child->{pid};
        waitpid $child->{pid}, 0;
    }
}

# How many connections (or datagrams) a backend has had.
sub connections ( $self, $name ) {
    open my $journal, '<', $self->_journal or return 0;
    return scalar grep { $_ eq "$name\n" } <$journal>;
}

sub wait_connections ( $self, $name, $count ) {
    return wait_for "$count connections to $name",
      sub { $self->connections($name) >= $count };
}

sub _journal ($self) { return "$self->{dir}/connections" }

sub _note ( $self, $name ) {
    open my $journal, '>>', $self->_journal or return;
    syswrite $journal, "$name\n";
}

sub _serve ( $self, $watched ) {
    setpgrp 0, 0;
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';
    $SIG{$_}   = 'DEFAULT' for qw(INT TERM ALRM);
    my %by_socket =
      map { $_->{socket} => $_ } values %{ $self->{listeners} };
    my $select =
      IO::Select->new( $watched, map { $_->{socket} } values %by_socket );
    while (1) {
        for my $ready ( $select->can_read ) {
            if ( $ready == $watched ) {
                kill KILL => -$$;
            }
            my $listener = $by_socket{$ready};
            if ( !$listener ) {
                react( $select, $ready );
            }
            elsif ( $listener->{udp} ) {
                $self->_answer($listener);
            }
            elsif ( $listener->{at_once} ) {
                my $socket = $listener->{socket}->accept or next;
                ${*$socket}{at_once} = { %{ $listener->{at_once} }, in => '' };
                $select->add($socket);
            }
            else {
                $self->_accept($listener);
            }
        }
    }
}

sub react ( $select, $socket ) {
    my $c = ${*$socket}{at_once};
    if ( !sysread $socket, $c->{in}, 65536, length $c->{in} ) {
        $select->remove($socket);
        close $socket;
        return;
    }
    while ( my $length =
        $c->{http} ? http_length( $c->{in} ) : length $c->{in} )
    {
        substr $c->{in}, 0, $length, '';
        my ( $bytes, $then ) = @{
            ref $c->{answer} eq 'CODE'
            ? $c->{answer}->( ++$c->{requests} )
            : $c->{answer}
        };
        syswrite $socket, $bytes;
        if ( $then eq 'close' || $then eq 'rst' ) {
            $select->remove($socket);
            $then eq 'rst' ? reset_close($socket) : close $socket;
            return;
        }
    }
}

# The length of the first request in `bytes`, 0 while it is not all there.
sub http_length ($bytes) {
    my $end = index $bytes, "\r\n\r\n";
    if ( $end < 0 ) {
        return 0;
    }
    my $head = substr $bytes, 0, $end += 4;
    $end += $1 if $head =~ /^Content-Length: (\d+)/im;
    return length $bytes >= $end ? $end : 0;
}

sub _answer ( $self, $listener ) {
    my $from = $listener->{socket}->recv( my $query, 65536 ) // return;
    $self->_note( $listener->{name} );
    my $answer = $listener->{scripts}[0]->($query) // return;
    send $listener->{socket}, $answer, 0, $from;
}

sub _accept ( $self, $listener ) {
    my $socket  = $listener->{socket}->accept or return;
    my $scripts = $listener->{scripts};
    my $number  = $listener->{accepted}++;
    $self->_note( $listener->{name} );
    my $pid = fork // return;
    if ( $pid == 0 ) {
        alarm 60;
        my $script = $scripts->[ $number < @$scripts ? $number : -1 ];
        $script = $listener->{well}
          if $listener->{well} && -e "$self->{dir}/$listener->{name}.well";
        eval { Upstream502::Steps::play( $socket, $script ); 1 }
          or $@ =~ /^gone/
          or print STDERR "backend $listener->{name}: $@";
        POSIX::_exit(0);
    }
}

1;
