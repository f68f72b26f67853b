#!/usr/bin/perl
# The manual page, section 5, out of the README's reference, on stdout:
# manpage.pl README.md VERSION
#
# Knows the Markdown of that file: paragraphs, lists, tables, code in fences and
# by indentation, headings, and within lines code, emphasis and links.

use v5.36;

use open qw(:std :encoding(UTF-8));

my @SECTIONS = ( 'Directives', 'Variables', 'Causes', 'Status location' );
my $NAME     = 'ngx_http_upstream_502_module';

my ( $path, $version ) = @ARGV;
open my $file, '<', $path or die "$path: $!\n";
my $readme = do { local $/; <$file> };

sub escape ($text) {
    return $text =~ s/\\/\\e/gr =~ s/-/\\-/gr =~ s/^([.'])/\\&$1/gmr;
}

# What stands in a line.
sub inline ($text) {
    $text =~ s/\\(?=[*_|<])//g;
    $text =~ s/\[((?:[^][]|\[[^]]*\])*)\]\((https?:[^)]*)\)/$1 ($2)/g;
    $text =~ s/\[((?:[^][]|\[[^]]*\])*)\]\([^)]*\)/$1/g;
    my @parts = split /(`[^`]*`)/, $text =~ s/\s+/ /gr;
    for (@parts) {
        if   (s/^`(.*)`$/$1/) { $_ = '\fB' . escape($_) . '\fR'; next }
        $_ = escape($_) =~ s/\*\*([^*]+)\*\*/\\fB$1\\fR/gr
          =~ s/(?<!\w)\*([^*]+)\*/\\fI$1\\fR/gr;
    }
    return join( '', @parts ) =~ s/^\s+|\s+$//gr;
}

sub code ($text) {
    return ".PP\n.RS 4\n.EX\n" . escape( $text =~ s/\s+$//r ) . "\n.EE\n.RE\n";
}

# A row is its first cell, and under it the others.
sub table ($text) {
    my ( undef, undef, @rows ) = split /\n/, $text;
    my $out = '';
    for my $row (@rows) {
        my ( $tag, @cells ) =
          map { s/^\s+|\s+$//gr =~ s/\\\|/|/gr } $row =~ /((?:\\\||[^|])+)/g;
        $out .= ".TP\n" . inline($tag) . "\n";
        $out .= inline( join '; ', grep { length } @cells ) . "\n";
    }
    return $out;
}

sub list ($text) {
    return join '', map { ".IP \\(bu 2\n" . inline($_) . "\n" }
      grep { length } split /^- /m, $text;
}

# Blocks that belong together (code with empty lines in it) come as one.
sub blocks ($text) {
    $text =~ s/<!--.*?-->\n?//gs;
    return grep { /\S/ }
      $text =~ /\G\n*(```\w*\n(?s:.*?)^```|(?:    .*\n|\n(?=    ))+|(?:.+\n?)+)/gm;
}

sub block ($text) {
    return code($1) if $text =~ /^```\w*\n(.*?)^```/ms;
    return code( $text =~ s/^    //gmr ) if $text =~ /^    /;
    return '.SS ' . inline($1) . "\n" if $text =~ /^### (.*)/;
    return table($text) if $text =~ /^\|/;
    return list($text)  if $text =~ /^- /;
    return ".PP\n" . inline($text) . "\n";
}

sub section ($heading) {
    my ($text) = $readme =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms
      or die "$path: no section \"$heading\"\n";
    return '.SH ' . uc($heading) . "\n" . join '', map { block($_) } blocks($text);
}

# What it is, and the lines that load it, are the first of their kind.
my ($about) = $readme =~ /\A# [^\n]*\n+((?:\w[^\n]*\n)(?:[^\n]+\n)*)/;
my ($load)  = $readme =~ /^```nginx\n(.*?)^```/ms;
die "$path: no first paragraph or no example\n" if !$about || !$load;

print <<"END", map { section($_) } @SECTIONS;
.TH ${\uc $NAME} 5 "" "$NAME $version" "File formats"
.SH NAME
$NAME \\- names why each upstream attempt of nginx failed
.SH SYNOPSIS
${\code($load)}.SH DESCRIPTION
.PP
${\inline($about)}
END
print ".SH SEE ALSO\n.BR nginx (8)\n";
