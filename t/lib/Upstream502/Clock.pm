# The clocks of the nginx under test, which can be turned forward: what takes
# minutes to show is shown at once.
#
#   my $clock = Upstream502::Clock->new( $t->dir );    # before nginx starts
#   $clock->forward(90);    # the wall clock; timers go on as ever
#   $clock->pass(90);       # both, for who looks: see Upstream502::Nginx::turn

package Upstream502::Clock;

use v5.36;

use Fcntl   qw(O_CREAT O_WRONLY);
use FindBin ();

sub new ( $class, $dir ) {
    my ( $library, $file ) = ( "$dir/clock.so", "$dir/clock" );
    system( 'cc', '-shared', '-fPIC', '-O1', '-o', $library,
        "$FindBin::Bin/lib/clock.c" ) == 0
      or die "cannot build the clock\n";
    my $self = bless { file => $file, ahead => 0, timers => 0 }, $class;
    $self->forward(0);
    $ENV{TEST_CLOCK} = $file;
    $ENV{TEST_LD_PRELOAD} = join ' ',
      grep { length } $ENV{TEST_LD_PRELOAD} // '', $library;
    return $self;
}

# Seconds by which nginx is ahead.
sub ahead ($self) { return $self->{ahead} }

sub forward ( $self, $seconds, $timers = 0 ) {
    $self->{ahead}  += $seconds;
    $self->{timers} += $timers;
    sysopen my $file, $self->{file}, O_WRONLY | O_CREAT
      or die "$self->{file}: $!\n";
    syswrite $file, pack 'qq', @$self{qw(ahead timers)};
}

sub pass ( $self, $seconds ) { return $self->forward( $seconds, $seconds ) }

1;
