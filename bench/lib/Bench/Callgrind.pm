# What a request takes, by callgrind: instructions, calls of certain functions
# and system calls. Counts, unlike times, come out the same on a busy machine.

package Bench::Callgrind;

use v5.36;

use Bench::Nginx    ();
use Bench::Requests qw(ask hang_up);
use Exporter        qw(import);

our @EXPORT_OK = qw(per_request %COUNTED);

# Two runs that differ in nothing but the number of requests, so that the
# start and what the first requests add cancel out.
use constant { FEW => 200, MANY => 1200 };

our %COUNTED = (
    allocations => qr/^(?:
        ngx_(?:p(?:n|c)?alloc | pmemalign | create_pool | c?alloc
            | pool_cleanup_add | create_temp_buf | array_push | list_push)
        | malloc | calloc | realloc | memalign | posix_memalign
        | mmap | brk | operator\ new.* )$/x,
    locks => qr/^(?:
        ngx_(?:shmtx_(?:try)?lock | slab_\w+ | rwlock_\w+ | spinlock)
        | (?:__)?pthread_(?:mutex|rwlock|spin)_\w*lock.* | sem_\w+ )$/x,
    formatting => qr/^(?:
        ngx_(?:v?s[nl]?printf | vslprintf | log_error_core)
        | v?s?n?printf.* | absl::.*(?:StrCat|StrAppend|Format).* )$/x,
);

# The clock stands still: what nginx does once a millisecond or a second is
# not part of a request. `folder` keeps callgrind's files.
sub per_request ( $dir, $variant, $kind, $folder, %parts ) {
    my ( $few, $many ) = map {
        my $nginx = Bench::Nginx->new( $dir, $variant, %parts,
            main => 'timer_resolution 100000s;' );
        my ($name) = $kind->{uri} =~ /(\w+)/;
        my $out = "$folder/callgrind.$name.$variant->{name}.$_";
        count( $nginx, $kind, $_, $out );
    } FEW, MANY;
    my %difference;
    for my $key ( keys %$many ) {
        $difference{$key} =
          ( $many->{$key} - ( $few->{$key} // 0 ) ) / ( MANY - FEW );
    }
    return \%difference;
}

# One nginx from its start to its end.
sub count ( $nginx, $kind, $requests, $out ) {
    unlink $out;
    $nginx->start( qw(valgrind --tool=callgrind --vgdb=no --collect-systime=yes),
        "--callgrind-out-file=$out" );
    ask( $kind, $nginx->port ) for 1 .. $requests;
    hang_up();
    $nginx->stop;
    return profile($out);
}

# All instructions but those of malloc itself: they depend on where its heap
# happens to lie and would come out different for reasons that are nobody's.
sub profile ($out) {
    open my $file, '<', $out or die "$out: $!\n";
    my %profile = map { $_ => 0 } keys %COUNTED, 'instructions', 'system calls';
    my ( $left_out, $called, $callee, %name ) = ( 0, 0, '' );
    while ( my $line = <$file> ) {
        if ( $line =~ /^fn=(\(\d+\))(?: (.*))?/ ) {
            $name{$1} = $2 if defined $2;
            $left_out =
              $name{$1} =~ /^(?:_int_|unlink_chunk|malloc_consol|alloc_pert)/;
        }
        elsif ( $line =~ /^cfn=(\(\d+\))(?: (.*))?/ ) {
            $name{$1} = $2 if defined $2;
            $callee = $name{$1};
        }
        elsif ( $line =~ /^calls=(\d+)/ ) {
            my $times = $1;
            for my $class ( keys %COUNTED ) {
                $profile{$class} += $times if $callee =~ $COUNTED{$class};
            }
            $called = 1;    # the next line is the callee's
        }
        elsif ( $line =~ /^[\d+*-]\S* (\d+)(?: (\d+))?/ ) {
            if ( !$called ) {
                $profile{instructions}   += $1 if !$left_out;
                $profile{'system calls'} += $2 // 0;
            }
            $called = 0;
        }
    }
    return $profile{instructions} ? \%profile : die "no instructions in $out\n";
}

1;
