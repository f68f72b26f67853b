# One who follows the failures, as `curl -N` does.
#
#   my $f = Upstream502::Follow->new( $t, 'format=json', headers => [...] );
#   $f->until( 'a failure', sub { /"type":"failure"/ } );    # $_ is the body
#   $f->objects('failure'), $f->head, $f->body
#   $f->end, $f->complete    # waits for the end; whether it came well
#   $f->leave, $f->reset     # closes the connection, or resets it
#
# What it gets is read when it is asked for, no sooner.

package Upstream502::Follow;

use v5.36;

use IO::Select        ();
use Time::HiRes       qw(time);
use Upstream502::Http ();
use Upstream502::Net  qw(PATIENCE reset_close);
use Upstream502::Test qw(decode_json);

sub new ( $class, $t, $arguments = '', %o ) {
    my $uri  = delete $o{location} // '/status';
    my $sent = $t->send( "$uri?follow" . ( $arguments ? "&$arguments" : '' ), %o );
    return bless { socket => $sent->{socket}, raw => '' }, $class;
}

# Reads what there is, for `patience` seconds until there is some; false at the
# end of the connection.
sub take ( $self, $patience = 0 ) {
    while ( IO::Select->new( $self->{socket} )->can_read($patience) ) {
        $patience = 0;
        if ( !sysread $self->{socket}, $self->{raw}, 65536, length $self->{raw} ) {
            $self->{ended} = 1;
            return 0;
        }
    }
    return 1;
}

sub until ( $self, $what, $condition ) {
    my $deadline = time + PATIENCE;
    for ( ; ; ) {
        local $_ = $self->body;
        my $value = $condition->();
        return $value if $value;
        die "no $what in: " . substr( $_, -2000 ) . "\n"
          if $self->{ended} || time > $deadline;
        $self->take(0.2);
    }
}

sub end ($self) {
    my $deadline = time + PATIENCE;
    while ( !$self->{ended} && time < $deadline ) { $self->take(0.2) }
    return $self->{ended};
}

sub _parsed ($self) { return Upstream502::Http::parse( $self->{raw} ) }

sub head ($self)     { return $self->_parsed }
sub body ($self)     { return $self->_parsed->{body} }
sub complete ($self) { return $self->_parsed->{complete} }

# Of JSON: the objects so far, or those of one type.
sub objects ( $self, $type = undef ) {
    return grep { !defined $type || $_->{type} eq $type }
      map { decode_json($_) } $self->body =~ /^(?:data: )?(\{.*\})\n/mg;
}

# Waits for so many of a type; returns them.
sub wait ( $self, $type, $count = 1 ) {
    $self->until( "$count x $type",
        sub { $count <= ( () = /"type":"\Q$type\E"/g ) && /\n\z/ } );
    return $self->objects($type);
}

sub leave ($self) { close $self->{socket} }
sub reset ($self) { reset_close( $self->{socket} ) }

1;
