# Counts the calls that the module makes outside of itself: see imports.c.
#
#   my $imports = Upstream502::Imports->new( $dir, $module ) // plan skip_all…;
#   { local %ENV = ( %ENV, $imports->environment ); $t->start; }
#   my $before = $imports->read;
#   …
#   my %calls = $imports->since($before);
#   is $calls{ngx_palloc}{calls}, 1;
#   is bytes(%calls), 64;

package Upstream502::Imports;

use v5.36;

use Exporter       qw(import);
use File::Basename qw(basename dirname);

our @EXPORT_OK = qw(bytes);

use constant { IMPORT => 128, MOST => 2048 };    # as in imports.c

# Nothing where it cannot be done: another processor, no compiler.
sub new ( $class, $dir, $module ) {
    my $library = "$dir/imports.so";
    my $source  = dirname(__FILE__) . '/../imports.c';
    return if `uname -m` ne "x86_64\n";
    return
      if system( $ENV{CC} // 'cc', qw(-O2 -shared -fPIC -o), $library, $source );
    my $file = "$dir/imports";
    open my $out, '>', $file or die "$file: $!\n";
    truncate $out, IMPORT * MOST;
    chmod 0666, $file;
    return bless {
        library => $library,
        file    => $file,
        module  => basename($module)
    }, $class;
}

sub environment ($self) {
    return (
        LD_AUDIT       => $self->{library},
        IMPORTS_FILE   => $self->{file},
        IMPORTS_OBJECT => $self->{module},
    );
}

# name => { calls, first, second }: the sums of the first two arguments.
sub read ($self) {
    open my $in, '<:raw', $self->{file} or die "$self->{file}: $!\n";
    my %imports;
    while ( CORE::read( $in, my $entry, IMPORT ) == IMPORT ) {
        my ( $calls, $first, $second, $name ) = unpack 'Q3Z*', $entry;
        last if $name eq '';
        $imports{$name} =
          { calls => $calls, first => $first, second => $second };
    }
    return \%imports;
}

# What was called since an earlier reading.
sub since ( $self, $before ) {
    my $now = $self->read;
    my %called;
    for my $name ( grep { $now->{$_}{calls} > $before->{$_}{calls} }
        keys %$now )
    {
        for my $key (qw(calls first second)) {
            use integer;    # sums of addresses wrap around
            $called{$name}{$key} = $now->{$name}{$key} - $before->{$name}{$key};
        }
    }
    return %called;
}

my $POOL = qr/^ngx_(?:p(?:n|c)?alloc|create_temp_buf|pool_cleanup_add)$/;
my $HEAP = qr/^(?:malloc|_Znwm|_Znam|ngx_c?alloc)$/;

# The bytes asked for, of pools and of the heap.
sub bytes (%called) {
    my $bytes = 0;
    for my $name ( keys %called ) {
        $bytes += $called{$name}{second} if $name =~ $POOL;
        $bytes += $called{$name}{first}  if $name =~ $HEAP;
    }
    return $bytes;
}

1;
