# A small HTTP/2 client over cleartext: several streams at once on one
# connection.
#
#   my $client = Upstream502::H2->new($port);
#   $client->send( 1, '/a', 'x-test' => 'id1' );
#   $client->send( 3, '/b', 'x-test' => 'id2' );
#   my $streams = $client->read( 1, 3 );
#   $streams->{1}{status}, $streams->{1}{body}, $streams->{1}{reset}
#
# It may be given a socket instead of a port. With `window => $bytes` it takes no more of each stream than that.

package Upstream502::H2;

use v5.36;

use IO::Select        ();
use Time::HiRes       qw(time);
use Upstream502::Http qw(connect_to);
use Upstream502::Net  qw(PATIENCE);
use Upstream502::Wire qw(h2);

# Statuses with an index of their own in HPACK's static table.
my %INDEXED = (
    8  => 200,
    9  => 204,
    10 => 206,
    11 => 304,
    12 => 400,
    13 => 404,
    14 => 500
);

sub new ( $class, $port, %options ) {
    my $socket = ref $port ? $port : connect_to($port);

    # Windows as large as can be: nobody has to update them.
    my $window = 0x7fffffff;
    syswrite $socket,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
      . h2( 4, 0, 0, pack 'nN', 4, $options{window} // $window )
      . h2( 8, 0, 0, pack 'N', $window - 65_535 );
    return bless { socket => $socket, in => '', streams => {} }, $class;
}

# A GET with these headers on stream `id`; pseudo-headers come first and replace
# what is usual.
sub send ( $self, $id, $path, @headers ) {
    my %pseudo = (
        ':method'    => 'GET',
        ':scheme'    => 'http',
        ':path'      => $path,
        ':authority' => 'localhost',
    );
    while ( @headers && $headers[0] =~ /^:/ ) {
        my ( $name, $value ) = splice @headers, 0, 2;
        $pseudo{$name} = $value;
    }
    my @fields = ( %pseudo, @headers );
    my $block = '';
    while ( my ( $name, $value ) = splice @fields, 0, 2 ) {
        $block .= pack 'C C/a C/a', 0, $name, $value;
    }
    syswrite $self->{socket}, h2( 1, 5, $id, $block );
}

# Cancels a stream.
sub cancel ( $self, $id ) {
    syswrite $self->{socket}, h2( 3, 0, $id, pack 'N', 8 );
    $self->{streams}{$id}{done} = 1;
}

# Reads until all these streams have ended.
sub read ( $self, @ids ) {
    my $deadline = time + PATIENCE;
    while ( grep { !$self->{streams}{$_}{done} } @ids ) {
        while ( $self->_take_frame ) { }
        last if !grep { !$self->{streams}{$_}{done} } @ids;
        IO::Select->new( $self->{socket} )->can_read( $deadline - time )
          or die "no answer over HTTP/2\n";
        sysread $self->{socket}, $self->{in}, 65536, length $self->{in}
          or die "the HTTP/2 connection is closed\n";
    }
    return $self->{streams};
}

# Takes what has come so far.
sub take ($self) {
    while ( IO::Select->new( $self->{socket} )->can_read(0) ) {
        sysread $self->{socket}, $self->{in}, 65536, length $self->{in}
          or last;
        while ( $self->_take_frame ) { }
    }
}

sub _take_frame ($self) {
    if ( length $self->{in} < 9 ) {
        return 0;
    }
    my ( $high, $low, $type, $flags, $id ) = unpack 'CnCCN', $self->{in};
    my $length = $high << 16 | $low;
    if ( length $self->{in} < 9 + $length ) {
        return 0;
    }
    my $payload = substr substr( $self->{in}, 0, 9 + $length, '' ), 9;
    my $stream  = $self->{streams}{ $id & 0x7fffffff } //= {};
    if ( $type == 0 ) { $stream->{body} .= $payload }
    if ( $type == 1 ) { $stream->{status} //= status_of($payload) }
    if ( $type == 3 ) { $stream->{reset} = $stream->{done} = 1 }
    if ( $type <= 1 && $flags & 1 ) { $stream->{done} = 1 }
    if ( $type == 4 && !( $flags & 1 ) ) {
        syswrite $self->{socket}, h2( 4, 1, 0 );
    }
    return 1;
}

# The status comes first in a header block: indexed, or as three plain digits.
sub status_of ($block) {
    my $first = ord $block;
    if ( $first & 0x80 ) {
        return $INDEXED{ $first & 0x7f };
    }
    return $block =~ /^.\x03(\d{3})/s ? $1 : 0;
}

1;
