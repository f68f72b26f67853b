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
# Or all of its checks are run, each of which has to show the fault, and that it
# is gone once it is repaired (a third pattern; without one it may say anything):
#
#   $checks->run_all( $checks->of('app'), repair => sub { … }, checks => [
#       [ qr/^ss -ltnp/ => qr/^$/, qr/LISTEN/ ],
#   ] );
#
# `nginx` and `dig` of the checks are the test's: its configuration, its DNS.
# Service managers and kernel logs are stood in for: they are not run in tests.

package Upstream502::Diagnosis;

use v5.36;

use Test::More;

my $HELD = qr/^\d+:\s*\S/m;

# What is shown wherever it is printed; rows may know better. Nothing is asked of
# a service manager where nobody listens.
my @USUAL = (
    [ qr/systemctl .*status$/ => qr/\A(?:systemctl --no-pager -l status \d+\n)?\z/ ],
    [ qr/^systemctl /         => qr/^systemctl / ],
    [ qr/^journalctl .*killed/   => qr/Killed process/ ],
    [ qr/^journalctl .*apparmor/ => qr/apparmor="DENIED"/ ],
    [ qr/^ausearch /      => qr/avc:  denied/ ],
    [ qr/^getsebool /     => qr/httpd_can_network_connect --> off/ ],
    [ qr/^nft list/       => qr/^-P OUTPUT |^iptables: /m ],
    [ qr/^nginx -T .*grep/ => $HELD ],
    [ qr/error\.log\}$/   => qr/\[error\]/ ],
    [ qr/^sysctl /        => qr/= \d/ ],
    [ qr/^ps -o user=/    => qr/^\w+$/m ],
    [ qr/xargs -r ps -o pid,lstart/ => qr/\A(?:\s*PID .*STARTED.*\n(?:\s*\d+ .*\n)+)?\z/ ],
    [ qr/MemAvailable/ => qr/\A(?:\d+ processes of \d+ MB, \d+ MB available: room for \d+.*\n)?\z/ ],
    [ qr/grep -rsnE --include='\*\.conf'/ => qr/\A(?:\S+:\d+:.*\n)*\z/ ],
    [ qr/php\*fpm/     => qr/fpm|NOTICE/ ],
    [ qr/oom_kill/     => qr/oom_kill \d/ ],
);

# Commands that cannot work in a test, or would wait for long.
my %STAND_IN = (
    curl    => 'exec /usr/bin/curl "$@" -m 3;:',
    timeout => 'n=$1; shift; [ "$n" -gt 3 ] && n=3; exec /usr/bin/timeout $n',
    systemctl  => 'echo systemctl',
    journalctl => 'cat <<X; exit
kernel: Out of memory: Killed process 1 (app)
kernel: audit: apparmor="DENIED" operation="open"
X
:',
    ausearch  => 'echo "type=AVC avc:  denied  { write }";:',
    getsebool => 'echo "httpd_can_network_connect --> off";:',
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
    while ( my ( $name, $line ) = each %STAND_IN ) {
        $self->command( $name => $line, '' );
    }
    return $self;
}

# Puts a command of the test's own in front of the system's.
sub command ( $self, $name, $line, $exec = 'exec ' ) {
    my $path =
      $self->{t}->write( "bin/$name", qq{#!/bin/sh\n$exec$line "\$@"\n} );
    chmod 0755, $path;
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
    my $text = flat( $self->{t}->get('/status?format=text')->{body} );
    my $head = uc( $d->{severity} ) . " ($d->{pattern}): ";
    for my $part ( $head . $d->{summary}, "hint: $d->{hint}",
        map { "check: $_" } @{ $d->{checks} } )
    {
        my $flat = flat($part);
        ok index( $text, $flat ) >= 0, "the text says: $flat";
    }
}

# Runs the check that matches and looks at what it prints.
sub confirm ( $self, $d, $check, $output ) {
    my ($command) = grep { $_ =~ $check } @{ $d->{checks} };
    ok $command, "there is a check like $check"
      or return diag explain $d->{checks};
    like $self->run($command), $output, $command;
}

sub run_all ( $self, $d, %o ) {
    my @rules = ( @{ $o{checks} // [] }, @USUAL );
    my ( %rule, %used );
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
    my $repair = $o{repair} // return;
    my $lives = $repair->();
    for my $check ( grep { $rule{$_} && $rule{$_}[2] } @{ $d->{checks} } ) {
        like $self->run($check), $rule{$check}[2], "repaired: $check";
    }
    return;
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
    local $ENV{PATH} = "$self->{bin}:$ENV{PATH}:/usr/sbin:/sbin";
    open my $pipe, '-|', 'sh', '-c', "exec 2>&1 </dev/null; $command"
      or die "sh: $!\n";
    local $/ = undef;
    return scalar(<$pipe>) // '';
}

1;
