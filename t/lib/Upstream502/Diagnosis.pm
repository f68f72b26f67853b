# What the module says of an upstream in trouble, and whether it is true: the
# diagnosis has to be in the JSON and in the text report, and its checks,
# run as they stand, have to confirm it.
#
#   my $checks = Upstream502::Diagnosis->new($t);
#   $checks->expect( app => (
#       pattern => 'outage', cause => 'connection_refused',
#       summary => qr/^All 5 attempts/,
#       confirm => [ qr/^ss -ltnp/ => qr/…/ ],
#   ) );
#
# Or all of its checks are run. Each has to show the fault, and once that is
# repaired not any more, but what a row says is well:
#
#   $checks->run_all( $checks->of('app'), repair => sub { … }, checks => [
#       [ qr/^ss -ltnp/ => qr/^$/, qr/LISTEN/ ],
#       [ qr/^sysctl/   => qr/= 8$/, qr/= 16$/, sub { … } ],    # its own repair
#       [ qr/^nginx -T/ => qr/listen/, \'the configuration is right' ],
#   ] );
#
# A reference to words in the place of what is well says why this repair cannot be seen there: a
# log keeps what was, a limit is another way out.
#
# `nginx`, `pgrep` and `dig` of the checks are the test's: its configuration, its
# workers, its DNS.
# journalctl and ausearch read files of the test's; where they are not installed
# they are stood in for, which is said.
# The service manager and SELinux are stood in for; the real systemctl is asked
# whether it knows the options.

package Upstream502::Diagnosis;

use v5.36;

use Exporter qw(import);
use Test::More;
use Upstream502::Net qw(wait_for);
use Upstream502::Nginx ();

our @EXPORT_OK = qw(edits usual_time);

my $HELD = qr/^\d+:\s*\S/m;

# Why a repair cannot be seen.
my $LOG      = \'a log keeps what was';
my $RIGHT    = \'it was not wrong';
my $WHO      = \'the service that was asked is the one that still runs';
my $CAPACITY = \'memory is what it was';

# What is shown wherever it is printed; rows may know better.
my @USUAL = (
    [ qr/systemctl .*-l status$/ => qr/Active: active /, $WHO ],
    [ qr/^systemctl status/ => qr/Active: inactive/,   qr/Active: active/, \&start_service ],
    [ qr/^systemctl --failed/ => qr/ failed failed /, qr/^0 loaded/, \&start_service ],
    [ qr/^journalctl .*killed/   => qr/\A(?!.*app-old).*Killed process/s,         $LOG ],
    [ qr/^journalctl .*apparmor/ => qr/\A(?!.*app-old).*apparmor="DENIED"/s,      $LOG ],
    [ qr/^ausearch /  => qr/\A(?!.*app-old).*avc:  denied/s, $LOG ],
    [ qr/^getsebool / => qr/--> off/, qr/--> on/, \&allow ],
    [ qr/^nft list/   => qr/^-P OUTPUT |^iptables: /m, $RIGHT ],
    [ qr/^nginx -T .*grep/ => $HELD, $RIGHT ],
    [ qr/error\.log\}$/    => qr/\[error\]/, $LOG ],
    [ qr/xargs -r ps -o pid,lstart/ => qr/\A\s*PID .*STARTED.*\n(?:\s*\d+ .*\n)+\z/, $WHO ],
    [ qr/MemAvailable/ => qr/\A[1-9]\d* processes of \d+ MB, \d+ MB available: room for \d+.*\n\z/, $CAPACITY ],
    [ qr/grep -rsnE --include='\*\.conf'/ => qr/\A(?:\S+:\d+:.*\n)+\z/, $RIGHT ],
    [ qr/php\*fpm/ => qr/NOTICE/, $LOG ],
    [ qr/# 0: no TLS is spoken there$/ => qr/^0$/m, $RIGHT ],
    [ qr/# what (?:speaks HTTP|waits for the PROXY protocol) answers$/ => qr{^(?:curl: |HTTP/)}m, $RIGHT ],
    [ qr/^for p in .*ss .*open files/ => qr/\A(?:\d+: \d+ used\nMax open files +\d.*\n)+\z/, $RIGHT ],
);

# Commands that cannot work in a test, or would wait for long.
my %STAND_IN = (
    curl    => 'exec /usr/bin/curl "$@" -m 1.5;:',
    timeout => 'n=$1; shift; [ "$n" -gt 2 ] && n=2; exec /usr/bin/timeout $n',
    systemctl => '[ ! -x /usr/bin/systemctl ] || /usr/bin/systemctl "$@" --version >/dev/null || exit
cd "$(dirname "$0")"
state=inactive; [ -e active ] && state=active
case "$*" in
  --failed) [ -e active ] && echo "0 loaded units listed." ||
    echo "* app.service loaded failed failed App" ;;
  *" status "[0-9]*) echo "* app.service - App"
    echo "     Active: active (running)"; for pid; do :; done
    echo "   Main PID: $pid (app)" ;;
  status*) echo "* app.service - App"; echo "     Active: $state" ;;
  *) echo "Unknown command: $*" ;;
esac;:',
    getsebool => 'cd "$(dirname "$0")"
echo "$1 --> $(cat boolean 2>/dev/null || echo off)";:',
);

sub new ( $class, $t ) {
    my $bin = $t->dir . '/bin';
    mkdir $bin;
    my $self = bless { t => $t, bin => $bin }, $class;
    my $preload = $ENV{TEST_LD_PRELOAD};
    $self->command(
        nginx => join ' ', $preload ? qq{env LD_PRELOAD="$preload"} : (),
        $t->nginx->{binary}, '-p', $t->dir . '/', $t->nginx->arguments
    );
    my $pid = eval { $t->nginx->pid };
    $self->command( pgrep => "/usr/bin/pgrep -P $pid" ) if $pid;
    while ( my ( $name, $line ) = each %STAND_IN ) {
        $self->command( $name => $line, '' );
    }
    $self->command( journalctl => $self->_journal, '' );
    $self->command( ausearch   => $self->_audit,   '' );
    return $self;
}

# A repair: what nginx's configuration says until all checks were run.
sub edits ( $from, $to ) {
    return sub ($self) {
        my $conf = Upstream502::Nginx::slurp("$self->{t}{dir}/nginx.conf");
        $self->{conf} //= $conf;
        $conf =~ s/\Q$from\E/$to/g or die "no $from\n";
        $self->{t}->write_raw( 'nginx.conf', $conf );
        return;
    };
}

sub start_service ($self) { return $self->{t}->write( 'bin/active',  '' ) }
sub allow         ($self) { return $self->{t}->write( 'bin/boolean', 'on' ) }

# What the kernel and the audit daemon logged, of now and of twenty minutes ago:
# [ seconds, text ].
sub entries ($text) {
    return ( [ time - 1200, $text =~ s/app/app-old/r ], [ time - 10, $text ] );
}

my $REMOTE = '/lib/systemd/systemd-journal-remote';
my $KILLED = 'Out of memory: Killed process 1 (app)';
my $DENIED = 'audit: apparmor="DENIED" operation="open" comm="app"';

# The real program reads a real journal where one can be made: once it is asked.
sub _journal ($self) {
    if ( !-x $REMOTE || !-x '/usr/bin/journalctl' ) {
        $self->{stood_in}{journalctl} = 1;
        return "cat <<X; exit\nkernel: $KILLED\nkernel: $DENIED\nX\n:";
    }
    my $boot = Upstream502::Nginx::slurp('/proc/sys/kernel/random/boot_id') =~ s/\W//gr;
    my $export = join '', map {
        my ( $time, $text ) = @$_;
        "__REALTIME_TIMESTAMP=${time}000000\n__MONOTONIC_TIMESTAMP=${time}\n"
          . "_BOOT_ID=$boot\n_MACHINE_ID=$boot\n_TRANSPORT=kernel\n"
          . "SYSLOG_IDENTIFIER=kernel\nMESSAGE=$text\n\n"
    } sort { $a->[0] <=> $b->[0] } map { entries($_) } $KILLED, $DENIED;
    $self->{t}->write_raw( 'bin/journal', $export );
    return "cd $self->{bin}; [ -e k.journal ] ||"
      . " $REMOTE -o k.journal journal 2>/dev/null;"
      . ' exec /usr/bin/journalctl --file k.journal "$@";:';
}

sub _audit ($self) {
    my $avc = 'avc:  denied  { name_connect } for  pid=1 comm="app" dest=80'
      . ' scontext=system_u:system_r:httpd_t:s0 tclass=tcp_socket permissive=0';
    my ($real) = grep { -x } qw(/sbin/ausearch /usr/sbin/ausearch);
    if ( !$real ) {
        $self->{stood_in}{ausearch} = 1;
        return "echo 'type=AVC $avc';:";
    }
    my $serial = 1;
    $self->{t}->write_raw( 'bin/audit', join '',
        map { "type=AVC msg=audit($_->[0].000:@{[ $serial++ ]}): $_->[1]\n" } entries($avc) );
    return "exec $real -if $self->{bin}/audit \"\$@\";:";
}

# Puts a command of the test's own in front of the system's.
sub command ( $self, $name, $line, $exec = 'exec ' ) {
    my $path =
      $self->{t}->write( "bin/$name", qq{#!/bin/sh\n$exec$line "\$@"\n} );
    chmod 0755, $path;
}

# The time, in hundreds of milliseconds, that half of an upstream's failures did
# not take longer than: what a machine that is busy has made of a backend's.
sub usual_time ( $t, $upstream ) {
    my @times = sort { $a <=> $b } map { $_->{response_time} }
      @{ $t->status("upstream=$upstream")->{events} };
    my $ms = 100 * int( $times[ @times / 2 ] / 100 );
    return $ms % 1000 ? "${ms}ms" : $ms / 1000 . 's';
}

sub of ( $self, $upstream ) {
    my ($found) = grep { $_->{upstream} eq $upstream }
      @{ $self->{t}->status->{diagnoses} };
    return $found;
}

sub expect ( $self, $upstream, %want ) {
    my $d = $self->of($upstream);
    ok $d, "$upstream has a diagnosis" or return;
    is $d->{$_}, $want{$_}, "$_: $want{$_}"
      for grep { exists $want{$_} } qw(severity pattern cause);
    is_deeply $d->{peers}, $want{peers}, 'peers' if $want{peers};
    for my $pattern ( ref $want{summary} eq 'ARRAY'
        ? @{ $want{summary} }
        : $want{summary} // () )
    {
        like $d->{summary}, $pattern, 'summary';
    }
    $self->_is_in_text($d);
    my @confirm = @{ $want{confirm} // [] };
    while ( my ( $check, $output ) = splice @confirm, 0, 2 ) {
        $self->confirm( $d, $check, $output );
    }
    return $d;
}

# The report wraps its lines, and comes a moment later.
sub flat ($text) {
    return $text =~ s/\s+/ /gr =~ s/\b\d+ (second|minute|hour)s?\b/N $1s/gr;
}

sub _is_in_text ( $self, $d ) {
    my $body = $self->{t}->get('/status?format=text')->{body};
    my $text = flat($body);
    my $head = uc( $d->{severity} ) . " ($d->{pattern}): ";
    for my $part ( $head . $d->{summary}, "hint: $d->{hint}" ) {
        my $flat = flat($part);
        ok index( $text, $flat ) >= 0, "the text says: $flat";
    }
    ok index( $body, "\n  check: $_\n" ) >= 0, "in one line of the text: $_"
      for @{ $d->{checks} };
}

# Runs the check that matches and looks at what it prints.
sub confirm ( $self, $d, $check, $output ) {
    my ($command) = grep { $_ =~ $check } @{ $d->{checks} };
    ok $command, "there is a check like $check"
      or return diag explain $d->{checks};
    like $self->run($command), $output, $command;
}

# The directive that matches, put into the location that failed, lets the
# request through while the fault lasts.
sub cures ( $self, $d, $check, $uri ) {
    my ($line) = grep { is_directive($_) && /$check/ } @{ $d->{checks} };
    ok $line, "there is a directive like $check"
      or return diag explain $d->{checks};
    my $t = $self->{t};
    edits( "location $uri {", "location $uri { $line\n" )->($self);
    $t->reload;
    is $t->get($uri)->{status}, 200, "it cures: $line";
    $t->write_raw( 'nginx.conf', delete $self->{conf} );
    $t->reload;
}

sub run_all ( $self, $d, %o ) {
    my @rules = ( @{ $o{checks} // [] }, @USUAL );
    my ( %rule, %used );
    unlink map { "$self->{bin}/$_" } qw(active boolean);
    for my $check ( @{ $d->{checks} } ) {
        if ( is_directive($check) ) {
            $self->_is_taken($check);
            next;
        }
        my ($rule) = grep { $check =~ $_->[0] } @rules;
        ok $rule, "it is known what is shown by: $check" or next;
        $used{$rule} = 1;
        $rule{$check} = $rule;
        like $self->run($check), $rule->[1], $check;
    }
    ok $used{$_}, "there is a check like $_->[0]"
      or diag explain $d->{checks}
      for @{ $o{checks} // [] };
    my @checks = grep { $rule{$_} } @{ $d->{checks} };
    ok $o{repair}, 'it is known how to repair it' or return;
    my @lives = $o{repair}->($self);
    for my $check ( sort { @{ $rule{$a} } <=> @{ $rule{$b} } } @checks ) {
        my ( undef, $fault, $well, $repair ) = @{ $rule{$check} };
        push @lives, $repair->($self) if $repair;
        ok defined $well, "it is known what is well with: $check" or next;
        $self->_is_well( $check, $fault, ref $well eq 'CODE' ? $well->() : $well )
          if ref $well ne 'SCALAR';
    }
    my $conf = delete $self->{conf};
    $self->{t}->write_raw( 'nginx.conf', $conf ) if $conf;
    return;
}

# What was repaired may take a moment to show.
sub _is_well ( $self, $check, $fault, $well ) {
    my $said = '';
    eval {
        wait_for $check, sub {
            $said = $self->run($check);
            return $said =~ $well && $said !~ $fault;
        };
    };
    like $said, $well, "repaired: $check";
    unlike $said, $fault, 'the fault is gone';
}

# A line for nginx's configuration and no command.
sub is_directive ($check) { return $check =~ /^[a-z_]+ [^|\$()]+;(?:  #|$)/ }

# Its place is the one it says; what it leaves to choose is chosen.
sub _is_taken ( $self, $check ) {
    my %chosen = (
        ADDRESS => '127.0.0.1',
        TIME    => '1s',
        NAME    => 'a.test',
        FILE    => $self->{t}->dir . '/client.pem'
    );
    my $line = $check =~ s/\b([A-Z]{4,})\b/$chosen{$1} \/\/ $1/ger;
    my $group = $line =~ /^keepalive/;
    $line = "keepalive 1; $line" if $line =~ /^keepalive_timeout/;
    $line = "set \$to x.test; $line proxy_pass http://\$to;" if $line =~ /^resolver/;
    if ( $line =~ /_certificate FILE|client\.pem/ ) {
        return;    # there is none here
    }
    my ( $code, $said ) = $self->{t}->check_config(
        $group ? ( http => "upstream checked { server 127.0.0.1; $line\n }" ) : (),
        server => $group ? '' : "location /checked { $line\n }"
    );
    is $code, 0, "nginx takes: $check" or diag $said;
}

sub run ( $self, $command ) {
    state %said;
    my ($name) = grep { $command =~ /^$_\b/ } keys %{ $self->{stood_in} };
    diag "$name is not installed: a stand-in answers" if $name && !$said{$name}++;
    local $ENV{NSTAT_HISTORY} = "$self->{bin}/nstat";
    local $ENV{PATH} = "$self->{bin}:$ENV{PATH}:/usr/sbin:/sbin";
    open my $pipe, '-|', 'sh', '-c', "exec 2>&1 </dev/null; $command"
      or die "sh: $!\n";
    local $/ = undef;
    return scalar(<$pipe>) // '';
}

1;
