# What must come of a scenario's row (see Runner.pm).
#
# Cause, phase, errno and message are what t/sites.tsv says of its sites: each
# of them that is a failure is an event of its own. A row says cause, phase or
# errno (undef: none) of its last event itself where the table leaves a choice,
# or where it names no site. Without an event nothing failed.
#
# And: status (502; 200 once a response has begun, and where nothing failed),
# outcome ("whole", once a response has begun "cut", or "open": what the client
# sees does not matter), saved => 1 (another attempt answers: 200), rescued (1
# where it is saved), attempts (one for each event past the look-up of names,
# and the one that answers), failures, causes (the variable), message (a part of
# it), origin (nginx), upstream, target, peer, protocol, reused, received_status, hint.
# gateway => 0: a 500 that is none of ours. quiet => 1: it is a subrequest's, of
# which the request's own variables say nothing. passed => 1: nginx took what
# came for a header. unconnected => 1: nginx learned
# of the failure before it learned that the connection stood.

package Upstream502::Expected;

use v5.36;

use Exporter           qw(import);
use List::Util         qw(uniq);
use Upstream502::Sites qw(errnos failure_at said);

our @EXPORT_OK =
  qw(certain complete expectations local_names protocol_of sites_of);

# The sites a row names.
sub sites_of ($row) { return uniq certain($row), @{ $row->{maybe} // [] } }

sub certain ($row) {
    return grep { $_ ne '-' } @{ $row->{sites} // [ $row->{site} // () ] };
}

my @PARTS = qw(cause phase errno);

# Fills in what the row leaves to t/sites.tsv and to the rules above.
sub complete ($row) {
    my @events = derived($row);
    push @events, [] if !@events && $row->{cause};
    my $last = $events[-1];
    if ($last) {
        my @said = grep { exists $row->{ $PARTS[$_] } } 0 .. 2;
        @$last[@said] = @$row{ @PARTS[@said] };
        @$row{@PARTS} = @$last;
    }
    my $saved  = $row->{saved} // 0;
    my $begun  = $last && $last->[1] eq 'body';
    my $tried  = grep { $_->[1] ne 'resolve' } @events;
    my @causes = ( ( map { $_->[0] } @events ), $saved ? '-' : () );
    my %usual  = (
        status   => $last && !$saved && !$begun ? 502   : 200,
        outcome  => $begun                      ? 'cut' : 'whole',
        rescued  => $saved,
        attempts => $last ? $tried + $saved : 1,
        failures => scalar @events,
        causes   => @causes > 1 ? join( ', ', @causes ) : $causes[0],
        events   => \@events,
    );
    $row->{$_} //= $usual{$_} for keys %usual;
}

# The failures of a row's sites, each as cause, phase and errno.
sub derived ($row) {
    my $phase = ref $row->{phase} ? undef : $row->{phase};
    my @events;
    for my $chosen ( $row->{maybe} // (), map { [$_] } certain($row) ) {
        my @sites  = map      { failure_at( $_, $phase ) } @$chosen or next;
        my @kinds  = uniq map { "$_->{cause} $_->{phase}" } @sites;
        my @errnos = uniq map { errnos($_) } @sites;
        die "$row->{name}: one of several causes: @kinds\n" if @kinds > 1;
        die "$row->{name}: the row has to say which errno\n"
          if @errnos > 1 && !$row->{maybe} && !exists $row->{errno};
        push @events, [ @{ $sites[0] }{qw(cause phase)}, any_of(@errnos) ];
        $row->{said} = [ map { said($_) } @sites ];
    }
    return @events;
}

sub any_of (@errnos) {
    if ( @errnos > 1 ) {
        return qr/^(?:@{[ join '|', @errnos ]})$/;
    }
    return $errnos[0] eq '-' ? undef : $errnos[0];
}

# A row's own names become names of the whole configuration.
sub local_names ( $row, $text ) {
    $text =~ s/%%u%%/u$row->{number}/g;
    $text =~ s/%%loc%%/\/r$row->{number}/g;
    $text =~
      s/%%(PORT_)?(b\d?)%%/"%%" . ( $1 \/\/ "" ) . "r$row->{number}_$2%%"/ge;
    $text =~ s/%%(closed)%%/%%closed_$row->{number}%%/g;
    return $text;
}

# As t/sites.tsv calls it.
sub protocol_of ($row) {
    my ($protocol) = $row->{conf} =~ /(\w+)_pass\b/;
    return $row->{conf} =~ /proxy_http_version 2;/
      ? 'proxy_v2'
      : $protocol // 'none';
}

# The row's expectations with the names of this run in them.
sub expectations ( $t, $row ) {
    my %want = %$row;
    $want{status} = $row->{logged_status} // $row->{status};
    $want{gateway} //= $want{status} =~ /^(?:500|502|504)$/ ? 1       : 0;
    $want{origin}  //= $want{gateway}                       ? 'nginx' : '-';
    my $pass = local_names( $row, $row->{conf} );
    my ( $kind, $scheme ) = $pass =~ /(\w+)_pass\s+(?:(\w+):\/\/)?/;
    if ( !exists $row->{protocol} && $kind ) {
        $want{protocol} = $scheme // ( $kind eq 'proxy' ? undef : $kind );
    }
    if ( !exists $row->{upstream}
        && $pass =~ /_pass\s+(?:\w+:\/\/)?(u\d+|%%\w+%%)/ )
    {
        $want{upstream} = $t->expand($1);
    }
    # A target that holds a variable is counted under the place that asks.
    if ( !exists $row->{upstream} && $pass =~ /_pass\s+[^;]*\$/ ) {
        $want{upstream} = "(localhost /r$row->{number})";
    }
    if ( defined $want{target} ) {
        $want{target} = $t->expand( local_names( $row, $want{target} ) );
    }
    if ( defined $want{upstream} ) {
        $want{upstream} = $t->expand( local_names( $row, $want{upstream} ) );
    }
    if ( defined $want{peer} ) {
        $want{peer} = $t->expand( local_names( $row, $want{peer} ) );
    }
    return \%want;
}

1;
