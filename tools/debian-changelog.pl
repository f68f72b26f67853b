#!/usr/bin/perl
# CHANGELOG.md as Debian writes changelogs, on stdout:
# debian-changelog.pl PACKAGE MAINTAINER VERSION < CHANGELOG.md
#
# Fails unless the newest release of it is VERSION.

use v5.36;

use Text::Wrap qw(wrap);
use Time::Local qw(timegm);

local $/;
my ( $package, $maintainer, $version ) = @ARGV;
$Text::Wrap::columns = 79;
$Text::Wrap::huge    = 'overflow';

# Debian wants later ones to be later, also on one day: an hour for each.
sub date ( $day, $hour ) {
    my ( $year, $month, $mday ) = split /-/, $day;
    my @t = gmtime timegm( 0, 0, 0, $mday, $month - 1, $year );
    return sprintf '%s, %02d %s %d %02d:00:00 +0000',
      (qw(Sun Mon Tue Wed Thu Fri Sat))[ $t[6] ], $t[3],
      (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[ $t[4] ],
      $t[5] + 1900, $hour % 24;
}

sub plain ($text) {
    return $text =~ s/\[([^]]*)\]\([^)]*\)/$1/gr =~ s/\*\*|`//gr =~ s/\s+/ /gr;
}

# Headings and items of one release.
sub entry ($text) {
    my $out = '';
    for my $block ( split /\n(?=- |### )|\n\n/, $text ) {
        $block =~ s/^\s+|\s+$//g;
        if    ( $block =~ /^### (.*)/ ) { $out .= "\n  [ $1 ]\n"; }
        elsif ( $block =~ s/^- // ) {
            $out .= wrap( '  * ', '    ', plain($block) ) . "\n";
        }
    }
    return $out;
}

my ( undef, @releases ) = split /^## /m, <STDIN>;
while ( defined( my $release = shift @releases ) ) {
    my ( $head, $text ) = split /\n/, $release, 2;
    my ( $number, $day ) = $head =~ /^([\d.]+), (\d{4}-\d\d-\d\d)$/
      or die "CHANGELOG.md: no version and date: $head\n";
    die "CHANGELOG.md begins with $number, the module is $version\n"
      if $number ne ( $version // $number );
    undef $version;
    print "$package ($number) unstable; urgency=medium\n", entry($text),
      "\n -- $maintainer  ", date( $day, scalar @releases ), "\n\n";
}
