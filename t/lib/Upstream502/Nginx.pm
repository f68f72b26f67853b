# One nginx under test: its processes, its signals and what it left behind.

package Upstream502::Nginx;

use v5.36;

use POSIX            ();
use Upstream502::Net qw(wait_for);

sub new ( $class, $dir ) {
    my $binary = $ENV{TEST_NGINX_BINARY}
      // ( grep { -x } '/usr/sbin/nginx', '/usr/local/sbin/nginx' )[0]
      // die "no nginx: set TEST_NGINX_BINARY\n";
    return bless { dir => $dir, binary => $binary }, $class;
}

# "1.22.1"
sub version ($self) {
    my ( undef, $output ) = $self->run('-V');
    my ($version) = $output =~ m{nginx/([\d.]+)};
    return $version // die "nginx -v says: $output\n";
}

# Which of the kin it is: "nginx", "freenginx", "angie", "tengine".
sub kin ($self) {
    my ( undef, $output ) = $self->run('-V');
    my ($name) = $output =~ m{version: (\w+)/};
    return lc( $name // die "nginx -V says: $output\n" );
}

# Runs nginx with these arguments and returns its exit code and its output.
sub run ( $self, @arguments ) {
    my $out = "$self->{dir}/output";
    unlink $out;
    my $code = $self->_run( $out, @arguments );
    return ( $code, slurp($out) );
}

# The same, with its output at the end of this file.
sub _run ( $self, $out, @arguments ) {
    my $pid = fork // die "fork: $!\n";
    if ( $pid == 0 ) {
        $self->_exec( $out, @arguments );
    }
    waitpid $pid, 0;
    return $? >> 8;
}

sub _exec ( $self, $out, @arguments ) {
    my $reports = "log_path=$self->{dir}/sanitizer";
    for my $name (qw(ASAN_OPTIONS UBSAN_OPTIONS)) {
        $ENV{$name} = join ':', grep { length } $ENV{$name} // '', $reports;
    }
    if ( $ENV{TEST_LD_PRELOAD} ) {
        $ENV{LD_PRELOAD} = $ENV{TEST_LD_PRELOAD};
    }
    open STDIN,  '<',  '/dev/null';
    open STDOUT, '>>', $out;
    open STDERR, '>&', \*STDOUT;
    my @as = @{ $self->{as} // [] };
    exec @as, $self->{binary}, '-p', "$self->{dir}/", @arguments
      or POSIX::_exit(127);
}

sub arguments ( $self, $config = 'nginx.conf', $log = 'error.log' ) {
    return ( '-c', "$self->{dir}/$config", '-e', "$self->{dir}/$log" );
}

sub start ($self) {
    # What it says there as long as it lives is looked at as a log is.
    my $stderr = "$self->{dir}/stderr.log";
    if ( $self->_run( $stderr, $self->arguments ) != 0 ) {
        die "nginx does not start:\n"
          . slurp($stderr) . "\n"
          . slurp("$self->{dir}/error.log") . "\n";
    }
    wait_for 'nginx', sub { $self->pid && $self->workers };
    $self->{masters}{ $self->pid } = 1;
}

sub pid ($self) {
    my ($pid) = slurp("$self->{dir}/nginx.pid") =~ /^(\d+)$/m;
    return $pid;
}

# Pids of the master's workers that accept connections.
sub workers ( $self, $master = $self->pid ) {
    my @workers =
      grep { title($_) =~ /^\w+: worker process(?: #\d+)?[\s\0]*$/ }
      children($master);
    return @workers;
}

# Waits until the only worker waits for events itself.
sub wait_idle ($self) {
    my ($worker) = $self->workers;
    wait_for 'an idle worker',
      sub { slurp("/proc/$worker/stat") =~ /\) S / };
}

# Has a process of it look at the clock, and waits until it has done what is due:
# it sleeps for nothing but events.
sub turn ($pid) {
    my $slept = sub {
        return slurp("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m
          ? $1 : 0;
    };
    my $asleep = sub { return slurp("/proc/$pid/stat") =~ /\) S / };
    wait_for "a sleeping $pid", $asleep;
    my $before = $slept->();
    kill IO => $pid;    # which nginx ignores
    wait_for "a turn of $pid", sub { $slept->() > $before && $asleep->() };
}

# Runs `action` while the only worker stands still: it sees all that happens
# meanwhile at once.
sub freeze ( $self, $action ) {
    my ($worker) = $self->workers;
    kill STOP => $worker;
    wait_for 'the worker to stop',
      sub { slurp("/proc/$worker/stat") =~ /\) T / };
    my $done = eval { $action->(); 1 };
    kill CONT => $worker;
    die $@ if !$done;
}

# Waits until new workers serve and every old one has stopped accepting.
sub reload ($self) {
    my %old = map { $_ => 1 } $self->workers;
    kill HUP => $self->pid;
    wait_for 'new workers', sub {
        my @now = $self->workers;
        return @now && !grep { $old{$_} } @now;
    };
}

# USR2, then QUIT to the old master: returns when the new one serves alone.
sub upgrade ($self) {
    my $old = $self->pid;
    kill USR2 => $old;
    my $new = wait_for 'the new master', sub {
        my $pid = $self->pid;
        return $pid && $pid != $old && $self->workers($pid) ? $pid : 0;
    };
    $self->{masters}{$new} = 1;
    kill QUIT => $old;
    wait_for 'the old master to end', sub { !alive($old) };
}

sub stop ($self) {
    for my $pid ( keys %{ $self->{masters} } ) {
        my @processes = ( $pid, children($pid) );
        for my $signal (qw(QUIT TERM KILL)) {
            if ( !grep { alive($_) } @processes ) {
                last;
            }
            if ( $signal ne 'QUIT' ) {
                push @{ $self->{hung} }, "nginx $pid did not end, $signal was needed";
            }
            kill $signal => $signal eq 'KILL' ? @processes : $pid;
            eval {
                wait_for 'nginx to end', sub {
                    !grep { alive($_) } @processes;
                }, 10;
            };
        }
        delete $self->{masters}{$pid};
    }
}

# Every process of it at once, as a machine that loses its power does; none is
# made meanwhile.
sub kill_all ($self) {
    my $master = $self->pid;
    kill STOP => $master;
    wait_for 'the master to stop',
      sub { slurp("/proc/$master/stat") =~ /\) T / };
    my @processes = ( $master, children($master) );
    kill KILL => @processes;
    wait_for 'all to end', sub { !grep { alive($_) } @processes };
    delete $self->{masters}{$master};
}

# What nobody may leave behind: alerts and crashes in any error log of the
# folder, sanitizer reports, an nginx that QUIT did not end. `allowed` are
# patterns of those that a test wants. Nobody minds what `nginx -t` says.
sub complaints ( $self, @allowed ) {
    my $time  = qr{\d{4}/\d\d/\d\d \d\d:\d\d:\d\d|\w+:};
    my @lines = @{ $self->{hung} // [] };
    for my $path ( glob "$self->{dir}/*.log" ) {
        next if $path =~ m{/checked\.log$};
        push @lines,
          grep { /^(?:$time) \[(?:alert|emerg)\]|ERROR: \w+Sanitizer|runtime error:/ }
          split /\n/, slurp($path);
    }
    for my $pattern (@allowed) {
        @lines = grep { $_ !~ $pattern } @lines;
    }
    push @lines, map { "$_: " . slurp($_) } glob "$self->{dir}/sanitizer.*";
    return @lines;
}

sub slurp ($path) {
    open my $file, '<:raw', $path or return '';
    local $/;
    return <$file> // '';
}

sub alive ($pid) {
    return slurp("/proc/$pid/stat") =~ /\) [^ZX] /;
}

# The memory of a process, in KiB.
sub resident ($pid) {
    return slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

# The part of it that is no file's and not shared, in KiB.
sub anonymous ($pid) {
    return slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : 0;
}

sub title ($pid) { return slurp("/proc/$pid/cmdline") }

sub children ($parent) {
    my @children;
    for my $path ( glob '/proc/[0-9]*/stat' ) {
        my ( $pid, $ppid ) = slurp($path) =~ /^(\d+) \(.*\) \S (\d+) /s
          or next;
        push @children, $pid if $ppid == $parent;
    }
    return @children;
}

1;
