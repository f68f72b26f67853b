# The memory of a process of the nginx under test, which can be taken away.
#
#   my $memory = Upstream502::Memory->new( $t->dir );  # before nginx starts
#   $memory->leave( $pid, 3 );    # three more allocations succeed, then none
#   $memory->give_back;

package Upstream502::Memory;

use v5.36;

use Fcntl   qw(O_CREAT O_RDWR);
use FindBin ();

sub new ( $class, $dir ) {
    my ( $library, $file ) = ( "$dir/memory.so", "$dir/memory" );
    system( 'cc', '-shared', '-fPIC', '-O1', '-o', $library,
        "$FindBin::Bin/lib/memory.c" ) == 0
      or die "cannot build the library that takes memory away\n";
    my $self = bless { file => $file }, $class;
    $self->give_back;
    chmod 0666, $file;
    $ENV{TEST_MEMORY}     = $file;
    $ENV{TEST_LD_PRELOAD} = $library;
    return $self;
}

# How many allocations of the process succeed before all others fail.
sub leave ( $self, $pid, $allocations ) {
    sysopen my $file, $self->{file}, O_RDWR | O_CREAT
      or die "$self->{file}: $!\n";
    syswrite $file, pack 'qq', $allocations, $pid;
    return;
}

sub give_back ($self) { return $self->leave( 0, -1 ) }

# Whether an allocation has failed since `leave`, or would be the next to.
sub is_gone ($self) {
    open my $file, '<:raw', $self->{file} or die "$self->{file}: $!\n";
    read $file, my $left, 8;
    return unpack( 'q', $left ) == 0;
}

1;
