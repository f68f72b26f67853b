# bench/baseline.txt, what a run is compared with, and the README's tables,
# which are written from it. A line has a kind, a name and values, by tabs:
#
#   machine  (what it was measured on)
#   request  NAME  INSTRUCTIONS MORE  THOSE OF NGINX  BYTES
#   budget   NAME  LIMIT  MEASURED  VERDICT

package Bench::Baseline;

use v5.36;

use Bench::Nginx   qw(slurp);
use Exporter       qw(import);
use File::Basename qw(dirname);

our @EXPORT_OK = qw(compare_with update_baseline grown readme_section
  README_SECTION);

use constant TOLERANCE      => 5;    # percent
use constant README_SECTION => qr/(?<=<!--\ cost:begin\ -->\n).*
    (?=<!--\ cost:end\ -->\n)/xs;

my $root = dirname(__FILE__) . '/../../..';
my $path = "$root/bench/baseline.txt";

# kind => [ [ name, values ] ]
sub lines () {
    my %lines;
    for ( grep { !/^#/ } split /\n/, slurp($path) ) {
        my ( $kind, @fields ) = split /\t/;
        push @{ $lines{$kind} }, \@fields;
    }
    return %lines;
}

sub limit ($name) {
    my %lines = lines();
    my ($line) = grep { $_->[0] eq $name } @{ $lines{request} };
    return $line ? $line->[1] * ( 1 + TOLERANCE / 100 ) : undef;
}

sub grown ( $name, $more ) {
    my $limit = limit($name);
    return defined $limit && $more > $limit;
}

# Whether anything has grown: an exit code.
sub compare_with (@rows) {
    my @grown = grep { grown( @$_{qw(name more)} ) } @rows;
    for my $row (@grown) {
        printf "%s: %.0f, at most %.0f was expected\n", $row->{name},
          $row->{more}, limit( $row->{name} );
    }
    return @grown ? 1 : 0;
}

# Takes over what was measured; what was not stays as it was.
sub update_baseline ( $machine, $rows, $budgets ) {
    my %lines = lines();
    my @rows  = map {
        [
            $_->{name}, map { sprintf '%.0f', $_ } $_->{more},
            $_->{instructions}[0], $_->{bytes} // 0
        ]
    } @$rows;
    my %new = (
        machine => [ [$machine] ],
        request => merge( $lines{request}, @rows ),
        budget  => merge( $lines{budget},  @$budgets ),
    );
    my $text = "# Written by bench/run --update: see docs/cost.md.\n";
    for my $kind (qw(machine request budget)) {
        $text .= join( "\t", $kind, @$_ ) . "\n" for @{ $new{$kind} };
    }
    write_file( $path, $text );
    my $readme = slurp("$root/README.md");
    $readme =~ s/${\README_SECTION}/readme_section()/e
      or die "README.md has no section for the cost\n";
    write_file( "$root/README.md", $readme );
    return 0;
}

sub merge ( $old, @new ) {
    my %new   = map { $_->[0] => $_ } @new;
    my @lines = map { delete $new{ $_->[0] } // $_ } @{ $old // [] };
    return [ @lines, grep { $new{ $_->[0] } } @new ];
}

sub write_file ( $file, $text ) {
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
}

sub readme_section () {
    my %lines = lines();
    my $text  = "$lines{machine}[0][0]:\n\n"
      . "| request | instructions, nginx alone | more | bytes |\n"
      . "|---|---|---|---|\n";
    for my $line ( @{ $lines{request} } ) {
        my ( $name, $more, $alone, $bytes ) = @$line;
        $text .= sprintf "| %s | %s | %s (%.1f %%) | %s |\n", $name,
          thousands($alone), thousands($more), 100 * $more / $alone, $bytes;
    }
    $text .= "\n| what | budget | measured |\n|---|---|---|\n";
    for my $line ( @{ $lines{budget} } ) {
        my ( $name, $limit, $value, $verdict ) = @$line;
        $limit =~ s/^<= (?=0$)//;
        $limit =~ s/^<= /at most /;
        $limit =~ s/^>= /at least /;
        my $kept = $verdict eq 'OK' ? '' : ' (' . lc($verdict) . ')';
        $text .= "| $name | $limit | $value$kept |\n";
    }
    return $text;
}

sub thousands ($number) {
    1 while $number =~ s/^(\d+)(\d{3})/$1,$2/;
    return $number;
}

1;
