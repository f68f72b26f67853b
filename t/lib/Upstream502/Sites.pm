# The places of t/sites.tsv, and the proof that one of them was reached: what
# was captured, or nginx's own log, has the message, cause, phase and errno
# that the table gives.
#
#   my $site    = failure_at('E1');   # what has to come of it
#   my @reached = reached( 'E1', 'proxy', { events => [...], log => '...' } );
#
# A place in several protocols' modules, or in two phases, counts as several
# sites: `J33.grpc.header`. What was reached is noted for t/sites_reached.t, in
# a folder beside the module.

package Upstream502::Sites;

use v5.36;

use Exporter   qw(import);
use File::Path ();
use FindBin    ();
use List::Util qw(uniq);

our @EXPORT_OK =
  qw(all_sites errnos failure_at notes said site_exists version_number);

my @COLUMNS = qw(id via since before function level message errno cause phase
  state by how);

# Protocols that came with a version.
my %SINCE = ( proxy_v2 => '1.29.4', tunnel => '1.31.0' );

# Every site, in the order of the table: a hash of its columns, `via` and
# `phase` one of them, and `key`.
sub all_sites () {
    state @sites = map { expand($_) } rows();
    return @sites;
}

sub rows () {
    my $path = __FILE__ =~ s{[^/]*$}{../../sites.tsv}r;
    open my $file, '<', $path or die "$path: $!\n";
    my @rows;
    while ( my $line = <$file> ) {
        chomp $line;
        next if $line =~ /^#/;
        my %row;
        @row{@COLUMNS} = split /\t/, $line, -1;
        push @rows, \%row;
    }
    return @rows;
}

sub expand ($row) {
    my @via    = split /,/, $row->{via};
    my @phases = split /,/, $row->{phase};
    my @causes = split /,/, $row->{cause};
    my @sites;
    for my $via (@via) {
        for my $i ( 0 .. $#phases ) {
            my @parts =
              ( @via > 1 ? $via : (), @phases > 1 ? $phases[$i] : () );
            push @sites,
              {
                %$row,
                key   => join( '.', $row->{id}, @parts ),
                via   => $via,
                phase => $phases[$i],
                cause => $causes[ @causes > 1 ? $i : 0 ],
                since => newest( $row->{since}, $SINCE{$via} // '-' ),
              };
        }
    }
    return @sites;
}

sub version_number ($version) {
    my ( $major, $minor, $patch ) = split /\./, $version;
    return $major * 1e6 + ( $minor // 0 ) * 1e3 + ( $patch // 0 );
}

sub newest (@versions) {
    my @known = grep { $_ ne '-' } @versions;
    return ( sort { version_number($b) <=> version_number($a) } @known )[0]
      // '-';
}

sub by_id ($id) {
    return grep { $_->{id} eq $id } all_sites();
}

sub site_exists ($id) { return by_id($id) > 0 }

# The site called `id` where it is a failure, in `phase` if it has several:
# nothing where it is none, or only the second line of one.
sub failure_at ( $id, $phase = undef ) {
    my @sites = by_id($id) or die "no site is called $id\n";
    my @failures =
      grep { $_->{cause} ne '-' && $_->{level} ne 'second' } @sites;
    if ( uniq( map { $_->{phase} } @failures ) > 1 ) {
        @failures = grep { $_->{phase} eq ( $phase // '' ) } @failures
          or die "$id: the row has to say in which phase\n";
    }
    return $failures[0] // ();
}

# The errnos that the module can know of a site; '-' is none.
sub errnos ($site) {
    return is_silent($site) ? '-' : split /,/, $site->{errno};
}

# What the module has to know of its message.
sub said ($site) {
    return is_silent($site) ? qr/^-$/ : pattern($site);
}

# The first nginx that has all these sites in `protocol`, and the first that
# has not any more; '-' for any.
sub lifetime ( $protocol, @ids ) {
    my @sites = grep { $_->{via} =~ /^(?:any|\Q$protocol\E)$/ }
      map { by_id($_) } @ids;
    my ($before) = grep { $_ ne '-' } map { $_->{before} } @sites;
    return ( newest( $SINCE{$protocol} // '-', map { $_->{since} } @sites ),
        $before // '-' );
}

# The keys of the sites called `id` that show in `seen`: its events (as in the
# status location's JSON) and what nginx's error log gained. `protocol` is that
# of the request's *_pass, or proxy_v2.
sub reached ( $id, $protocol, $seen ) {
    return map { $_->{key} }
      grep     { $_->{via} eq 'any' || $_->{via} eq $protocol }
      grep     { shows( $_, $seen ) } by_id($id);
}

sub shows ( $site, $seen ) {
    if ( $site->{cause} eq '-' || $site->{level} eq 'second' ) {
        return logged( $site, $seen->{log} );
    }
    if ( $site->{level} =~ /^(?:info|warn|early)$/
        && !logged( $site, $seen->{log} ) )
    {
        return 0;
    }
    return scalar grep { is_event_of( $site, $_ ) } @{ $seen->{events} };
}

sub is_event_of ( $site, $event ) {
    my $message = $event->{message} // '';
    my %errno   = map { $_ => 1 } split /,/, $site->{errno};
    return
         $event->{cause} eq $site->{cause}
      && $event->{phase} eq $site->{phase}
      && (
        is_silent($site)
        ? $message eq ''
        : $errno{ $event->{errno} // '-' }
        && $message =~ pattern($site)
      );
}

# A line that the module does not see, or none.
sub is_silent ($site) { return $site->{level} =~ /^(?:-|info|warn|early)$/ }

# Whether nginx wrote the site's line; where it writes none, whether there is
# no error.
sub logged ( $site, $log ) {
    if ( $site->{level} eq '-' ) {
        return $log !~ /^\S+ \S+ \[(?:error|crit|alert|emerg)\]/m;
    }
    my $text = message_pattern($site);
    return $log =~ m{^\S+\ \S+\ \[\w+\]\ [\d\#]+:\ (?:\*\d+\ )?$text
      (?:,\ (?:client|request):|\ while\ |$)}mx;
}

sub pattern ($site) {
    my $text = message_pattern($site);
    return qr/^$text$/s;
}

# nginx's format and errno as a pattern. A log line holds 2048 bytes: of a long
# one the beginning has to do.
sub message_pattern ($site) {
    my ($start) = split /%/, $site->{message};
    my $format  = join '', map {
            /^%[dizOlu]/ ? '-?\d+'
          : /^%0/        ? '[0-9a-f]{2}'
          : /^%/         ? '.*?'
          : quotemeta
    } split /(%(?:\*s|02xd|ui|uz|[VsdizOl]))/, $site->{message};
    my $errno =
        $site->{errno} eq '-' ? ''
      : $site->{errno} eq '*' ? '(?:\ \(\d+:\ [^)]*\))?'
      :   '\ \((?:' . join( '|', split /,/, $site->{errno} ) . '):\ [^)]*\)';
    my $cut = quotemeta($start) . '.{200,}';
    return
      length $start > 8 && $site->{message} =~ /%[V*]/
      ? "(?:$format$errno|$cut)"
      : "$format$errno";
}

# The notes of one test file: who reached what.
sub folder () {
    my $module = $ENV{TEST_MODULE} // "$FindBin::Bin/../build/x";
    return ( $module =~ s{/[^/]*$}{}r ) . '/sites';
}

my $notes;

sub start_notes ($version) {
    File::Path::make_path( folder() );
    my $name = $0 =~ s{.*/|\.t$}{}gr;
    open $notes, '>', folder() . "/$name" or die folder() . "/$name: $!\n";
    $notes->autoflush;
    say $notes join "\t", version => $version;
}

# `what` is "reached" or why it was not.
sub note ( $key, $row, $what = 'reached' ) {
    return if !$notes;    # a part of the table only
    say $notes join "\t", $key, $row, $what;
}

# For a test without a table: notes what `row` reached of `id`; true if it did.
sub note_reached ( $id, $protocol, $seen, $row ) {
    my @keys = reached( $id, $protocol, $seen );
    note( $_, $row ) for @keys;
    return scalar @keys;
}

# All notes: test => [ [key, row, what], ... ], of one version of nginx.
sub notes ($version) {
    my %notes;
    for my $path ( glob folder() . '/*' ) {
        open my $file, '<', $path or die "$path: $!\n";
        my ( $first, @lines ) = map { chomp; [ split /\t/ ] } <$file>;
        if ( ( $first->[1] // '' ) eq $version ) {
            $notes{ $path =~ s{.*/}{}r } = \@lines;
        }
    }
    return %notes;
}

1;
