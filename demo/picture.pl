#!/usr/bin/perl
# Takes the picture of the page that the README begins with, from the demo:
# picture.pl MODULE PNG
#
# Needs the browser of t/ (tools/install-deps.sh ci, tools/install-npm.sh), and
# pngquant, where there is one, to make it smaller.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use IO::Handle;
use Upstream502::Browser;

my ( $module, $path ) = @ARGV;
defined $path or die "usage: $0 MODULE PNG\n";
if ( my $reason = Upstream502::Browser->missing ) {
    die "$reason\n";
}

# It ends with what it has started when it is told to.
my $demo = open( my $out, '-|', "$FindBin::Bin/run.pl", $module )
  or die "run.pl: $!\n";
END { kill( TERM => $demo ) && close $out if $demo }

my $url;
while ( my $line = <$out> ) {
    last if ($url) = $line =~ /^the page: +(\S+)/;
}
defined $url or die "the demo did not come to its page\n";

my $browser = Upstream502::Browser->new;
my $page    = $browser->open(
    "$url?upstream=wrong_port",
    colorScheme => 'light',
    viewport    => { width => 1120, height => 720 },
);
$page->wait_text( '#headline', '\\w' );
$page->do( screenshot => { path => $path } );
undef $browser;
system 'pngquant', '--force', '--output', $path, '--speed', 1, 64, $path
  if -x '/usr/bin/pngquant';
printf "%s: %d bytes\n", $path, -s $path;
