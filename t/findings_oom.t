#!/usr/bin/perl

# A service that the kernel kills for want of memory, in a memory cgroup, and
# one that somebody else kills.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(SIGKILL WNOHANG);
use Test::More;
use Upstream502::Clock;
use Upstream502::Diagnosis;
use Upstream502::Namespace;
use Upstream502::Net qw(wait_for);
use Upstream502::Runner;
use Upstream502::Service;

my $group = memory_group()
  // plan skip_all => 'no memory cgroup can be made here';
END { rmdir $group if $group }

enter_namespace();

# A folder that takes processes, with room for 32 MB.
sub memory_group () {
    my %limit = (
        '/sys/fs/cgroup/memory' => 'memory.limit_in_bytes',
        '/sys/fs/cgroup'        => 'memory.max',
    );
    for my $root ( sort { $b cmp $a } keys %limit ) {
        my $group = $ENV{TEST_MEMORY_GROUP} // "$root/upstream_502.$$";
        next if !-d $group && !mkdir $group;
        if ( put( "$group/$limit{$root}", 32 << 20 ) ) {
            $ENV{TEST_MEMORY_GROUP} = $group;
            return $group;
        }
        rmdir $group;
    }
    return undef;
}

sub put ( $path, $text ) {
    open my $file, '>', $path or return 0;
    syswrite $file, $text or return 0;
    return close $file;
}

# Reads a request, then wants more memory than there is, or none at all.
my $SERVICE = <<'PERL';
use IO::Socket::IP;
my ( $group, $port ) = @ARGV;
my $listener = IO::Socket::IP->new( LocalHost => '127.0.0.1',
    LocalPort => $port, Listen => 4 ) or die $@;
while ( my $client = $listener->accept ) {
    fork and next;
    sysread $client, my $request, 65536 or exit;
    kill KILL => $$ if $request =~ /killed/;
    open my $file, '>', "$group/cgroup.procs" or die $!;
    print $file $$;
    close $file;
    my $memory = 'x' x ( 200 << 20 );
}
PERL

# A service of one process, which ends by itself and is not begun again: killed
# for want of memory, or by somebody.
my $ALONE = <<'PERL';
use IO::Socket::IP;
my ( $group, $port, $end ) = @ARGV;
my $listener = IO::Socket::IP->new( LocalHost => '127.0.0.1',
    LocalPort => $port, Listen => 4 ) or die $@;
kill KILL => $$ if $end eq 'killed';
open my $file, '>', "$group/cgroup.procs" or die $!;
print $file $$;
close $file;
my $memory = 'x' x ( 200 << 20 );
PERL

sub dies ( $port, $end ) {
    return sub ( $t, @ ) {
        $t->{clock}->pass(1);    # counted once a second
        my $service = Upstream502::Service->new( "$t->{dir}/alone.log",
            $^X, '-e', $ALONE, $group, $port, $end );
        wait_for 'it to be killed', sub { waitpid( $service->pid, WNOHANG ) > 0 };
        is $? & 127, SIGKILL, 'it was killed' or diag $service->log;
        return;
    };
}

my @REFUSED = ( site => 'B11a', finding => 'port_closed' );

# A minute later another one was killed; `sleep` tells when.
sub killed_again ( $t, @ ) {
    $t->{clock}->pass(1);    # counted once a second
    my $diagnosis = $t->{diagnosis} //= Upstream502::Diagnosis->new($t);
    $diagnosis->command( sleep => "exec curl -s $t->{address}{memory}/wants >/dev/null;:", '' );
    return;
}

sub enough_memory ( $t, @ ) { return $t->{diagnosis}->command( sleep => 'exit;:', '' ) }

my @KILLED = (
    cause   => 'closed_before_response',
    phase   => 'header',
    finding => 'still_listening',
);

play(
    [
        {
            name => 'all of it is killed, and nobody listens',
            conf => 'proxy_pass http://127.0.0.1:8098;',
            @REFUSED,
            before   => dies( 8098, 'killed' ),
            unsaid   => 'oom_kill',
            evidence => { oom_kills => 0 },
        },
        {
            name => 'a worker is killed',
            conf => 'proxy_pass http://127.0.0.1:8097/killed;',
            @KILLED,
            unsaid   => 'oom_kill',
            evidence => { oom_kills => 0 },
        },
        {
            name => 'a worker is killed for want of memory',
            http => 'upstream %%u%% { server 127.0.0.1:8097; }',
            conf => 'proxy_pass http://%%u%%/wants;',
            @KILLED,
            before   => \&killed_again,
            finding  => 'oom_kill',
            says     => '^the kernel killed \d+ process(?:es)? of this machine',
            evidence => { oom_kills => qr/^[1-9]/ },
            checks   => [
                [
                    qr{/proc/vmstat} => qr/^oom_kill (\d+)\noom_kill (?!\1$)\d+$/m,
                    qr/^oom_kill (\d+)\noom_kill \1$/m
                ],
                [ qr/MemAvailable/ => qr/^1 processes of \d+ MB/, \'as much memory as before' ],
            ],
            repair => \&enough_memory,
        },
        {
            name => 'all of it is killed for want of memory',
            conf => 'proxy_pass http://127.0.0.1:8099;',
            site => 'B11a',
            before   => dies( 8099, 'wants' ),
            finding  => 'oom_kill',
            says     => '^the kernel killed \d+ process(?:es)? of this machine',
            evidence => { oom_kills => qr/^[1-9]/, listening => 0 },
        },
    ],
    setup => sub ($t) {
        $t->{clock} = Upstream502::Clock->new( $t->dir );
        $t->{address}{memory} = '127.0.0.1:8097';
        $t->service( memory => [ $^X, '-e', $SERVICE, $group, 8097 ] );
    }
);
