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
# `nginx` and `dig` of the checks are the test's: its configuration, its DNS.

package Upstream502::Diagnosis;

use v5.36;

use Test::More;

sub new ( $class, $t ) {
    my $bin = $t->dir . '/bin';
    mkdir $bin;
    my $self = bless { t => $t, bin => $bin }, $class;
    my $preload = $ENV{TEST_LD_PRELOAD};
    $self->command(
        nginx => join ' ', $preload ? qq{env LD_PRELOAD="$preload"} : (),
        $t->nginx->{binary}, '-p', $t->dir . '/', $t->nginx->arguments
    );
    return $self;
}

# Puts a command of the test's own in front of the system's.
sub command ( $self, $name, $line ) {
    my $path = $self->{t}->write( "bin/$name", qq{#!/bin/sh\nexec $line "\$@"\n} );
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

sub run ( $self, $command ) {
    local $ENV{PATH} = "$self->{bin}:$ENV{PATH}:/usr/sbin:/sbin";
    open my $pipe, '-|', 'sh', '-c', "exec 2>&1 </dev/null; $command"
      or die "sh: $!\n";
    local $/ = undef;
    return scalar(<$pipe>) // '';
}

1;
