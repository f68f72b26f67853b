# What the access log of a load adds up to (see Load.pm for its format).
#
#   my $books = Upstream502::Books->new( "$dir/load.log", \&want );
#   $books->read;    # the lines that have come since
#   $books->{runs}, $books->{causes}{read_timeout}
#   my $status = $books->compare($t);    # with the status page
#
# `want` of a kind of request is a pattern for what the log says of it.

package Upstream502::Books;

use v5.36;

use Test::More;
use Upstream502::Net qw(wait_for);

sub new ( $class, $path, $want ) {
    return bless {
        want      => $want,
        path      => $path,
        at        => 0,
        lines     => 0,      # of main requests
        seen      => '',     # a bit for each of them
        wrong     => [],     # lines that say what they should not
        failing   => 0,      # of them: a failure in them, or a gateway response
        runs      => 0,
        attempts  => 0,
        failures  => 0,
        rescued   => 0,
        causes    => {},
        responses => {},
        origins   => {},
        nameless  => {},     # of the responses, those of no upstream
    }, $class;
}

sub read ($self) {
    open my $log, '<:raw', $self->{path} or return;
    seek $log, $self->{at}, 0;
    while ( my $line = <$log> ) {
        $line =~ /\n\z/ or last;
        $self->{at} += length $line;
        chomp $line;
        $self->_enter($line);
    }
}

sub _enter ( $self, $line ) {
    my ( $id, $asked, $uri, $addr, $gateway, $failures, $said ) = split /\t/,
      $line;
    my ( $status, $origin, $rescued, $causes ) = split / /, $said, 4;
    my $kind = substr $asked, 1;
    my $sub  = $uri =~ m{^/sub/(.+)};
    if ( !$sub ) {
        $self->_enter_main( $id, $kind, $line, $said );
        if ( $gateway ne '-' ) {
            $self->{responses}{$status}++;
            $self->{origins}{$origin}++;
            $self->{nameless}{$status}++ if $origin eq 'config';
        }
        elsif ( $status == 502 || $status == 504 ) {
            push @{ $self->{wrong} }, $line;
        }
        $self->{failing}++
          if $gateway ne '-' || $failures ne '-' || $kind =~ /^(?:mirror|ssi)$/;
    }

    # What becomes of a subrequest's failure depends on its main request: the
    # client of a mirror never sees it.
    $self->{rescued}++ if $sub ? $uri eq '/sub/mirror' : $rescued eq '1';
    if ( $addr eq '-' && !$sub && $kind eq 'auth' ) {
        return;    # it only says once more what its subrequest has said
    }
    my @causes = grep { $_ ne '-' } split / : |, /, $causes;
    $self->{causes}{$_}++ for @causes;
    $self->{failures} += @causes;
    if ( $addr eq '-' ) {
        $self->{runs} += @causes;
        return;
    }
    my $runs = () = $addr =~ / : /g;
    $self->{runs}     += 1 + $runs;
    $self->{attempts} += 1 + $runs + ( $addr =~ tr/,// );
}

sub _enter_main ( $self, $id, $kind, $line, $said ) {
    $self->{lines}++;
    if ( vec $self->{seen}, $id, 1 ) {
        push @{ $self->{wrong} }, "twice: $line";
    }
    vec( $self->{seen}, $id, 1 ) = 1;
    if ( $said !~ $self->{want}->($kind) ) {
        push @{ $self->{wrong} }, $line;
    }
}

# Waits for what is yet to be counted: mirrors may be at work after the last
# answer.
sub compare ( $self, $t ) {
    my $status = wait_for 'the last requests to be counted', sub {
        $self->read;
        my $now = $t->status('limit=1000');
        return $now->{totals}{requests} >= $self->{runs} ? $now : undef;
    };
    my $totals = $status->{totals};
    is_deeply [ splice @{ $self->{wrong} }, 0, 10 ], [],
      'each request once and with its own outcome';
    is $totals->{requests}, $self->{runs}, 'requests';
    is $totals->{$_},       $self->{$_},   $_ for qw(attempts failures rescued);
    is_deeply $totals->{causes}, $self->{causes}, 'failures by cause';
    for my $what (qw(responses origins)) {
        my %counted = %{ $totals->{$what} };
        delete @counted{ grep { !$counted{$_} } keys %counted };
        is_deeply \%counted, $self->{$what}, $what;
    }
    return $status;
}

1;
