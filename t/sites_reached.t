#!/usr/bin/perl

# The last test: which places of t/sites.tsv were reached by the tests before,
# in this nginx. t/testrules.yml keeps it last.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(uniq);
use File::Temp ();
use Test::More;
use Upstream502::Nginx ();
use Upstream502::Sites qw(all_sites site_exists notes version_number);

my $version =
  Upstream502::Nginx->new( File::Temp::tempdir( CLEANUP => 1 ) )->version;
my $number = version_number($version);
my %notes  = notes($version);
plan skip_all => "no test has noted what it reached in nginx $version"
  if !%notes;

my ( %reached, %skipped, @unknown );
for my $test ( sort keys %notes ) {
    for my $note ( @{ $notes{$test} } ) {
        my ( $key, $row, $what ) = @$note;
        if ( $what eq 'reached' ) {
            push @{ $reached{$key} }, "$test: $row";
        }
        else {
            $skipped{$key} = $what;
        }
        push @unknown, "$test: $row: $key"
          if !site_exists( $key =~ s/\..*//r );
    }
}
is_deeply \@unknown, [], 'no scenario names a site that is not in the table';

sub is_here ($site) {
    return ( $site->{since} eq '-'
          || $number >= version_number( $site->{since} ) )
      && ( $site->{before} eq '-'
        || $number < version_number( $site->{before} ) );
}

my @sites   = all_sites();
my @here    = grep { is_here($_) } @sites;
my @by_run  = grep { $reached{ $_->{key} } } @here;
my @by_unit = grep { !$reached{ $_->{key} } && $_->{by} eq 'unit' } @here;
my @left    = grep { !$reached{ $_->{key} } && $_->{by} ne 'unit' } @here;

# A test that could not run here, or a row of it, says why.
my ( @apart, @missing );
for my $site (@left) {
    my $why = $skipped{ $site->{key} } // $skipped{ $site->{id} }
      // ( $notes{ $site->{by} } ? undef : "t/$site->{by}.t did not run" );
    push @{ $why ? \@apart : \@missing }, [ $site, $why ];
}
for my $test ( uniq map { $_->{by} } @sites ) {
    ok $test eq 'unit' || -e "$FindBin::Bin/$test.t", "$test is a test";
}
is_deeply [ map { "$_->[0]{key} ($_->[0]{by})" } @missing ], [],
  'every site that can be provoked was';

sub list (@sites) {
    my %by;
    push @{ $by{ $_->[1] } }, $_->[0]{key} for @sites;
    return map { "    $_: " . join ' ', @{ $by{$_} } } sort keys %by;
}
my @unclear = grep { $_->{cause} eq 'unknown' } @sites;
is scalar @unclear, 0, 'no site is left unknown';

diag join "\n", '',
    "nginx $version: sites listed "
  . @here
  . ', provoked '
  . @by_run
  . ', by unit test '
  . @by_unit
  . ', left '
  . @apart
  . '; provocable sites left: '
  . @missing
  . ', unknown: '
  . @unclear,
  '  by unit test only:', list( map { [ $_, $_->{how} ] } @by_unit ),
  @apart ? ( '  left:', list(@apart) ) : (),
  '  of other versions of nginx: ' . ( @sites - @here );
for my $site (@by_run) {
    note "$site->{key}: ", join '; ', @{ $reached{ $site->{key} } };
}

done_testing;
