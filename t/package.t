#!/usr/bin/perl
# What the Debian package is made of: the manual page says what the README's
# reference says, the changelog is one that dpkg reads, every file it names is
# there. Building and installing it: make deb, make test-package.

use v5.36;

use FindBin;
use File::Temp ();
use Test::More;
use Upstream502::Nginx ();

my $root   = "$FindBin::Bin/..";
my $debian = "$root/contrib/debian";
my $config = Upstream502::Nginx::slurp("$root/config");
my ($version) = $config =~ /^upstream_502_version=(.*)$/m;

sub run (@command) {
    open my $out, '-|', @command or die "$command[0]: $!\n";
    my $text = do { local $/; <$out> };
    close $out;
    return ( $? >> 8, $text );
}

my $dir = File::Temp->newdir;

sub write_file ( $name, $text ) {
    open my $file, '>', "$dir/$name" or die "$name: $!\n";
    print $file $text;
    close $file or die "$name: $!\n";
    return "$dir/$name";
}

my ( $code, $page ) =
  run( 'perl', "$root/tools/manpage.pl", "$root/README.md", $version );

subtest 'the manual page has the whole reference' => sub {
    is( $code, 0 );
    my $source = join '', map { Upstream502::Nginx::slurp($_) }
      glob "$root/src/nginx/*.cc";
    like( $page, qr/^\.SS $_$/m, $_ )
      for $source =~ /ngx_string\("(upstream_502\w*)"\)/g;
    like( $page, qr/^\.TP\n.*\\fB\$\Q$_\E\\fR/m, "\$$_" )
      for $source =~ /\{"(upstream_502\w*)", Field::/g;
    my $causes = Upstream502::Nginx::slurp("$root/src/core/words/cause.cc");
    like( $page, qr/^\.TP\n\\fB\Q$_\E\\fR\n/m, $_ )
      for $causes =~ /^ *\{"(\w+)"/gm;
    like( $page, qr/^\.TH NGX_HTTP_UPSTREAM_502_MODULE 5 .* \Q$version\E"/m );
};

subtest 'no Markdown is left in it' => sub {
    my $text = $page =~ s/^\.EX\n.*?^\.EE\n//gmsr;
    unlike( $text, $_ ) for qr/`/, qr/\]\(/, qr/^\|/m, qr/^#/m, qr/\*\*/, qr/<!--/;
};

subtest 'man has nothing to say against it' => sub {
    plan skip_all => 'no man here' if !-x '/usr/bin/man';
    my $path = write_file( 'page.5', $page );
    is( qx(MANROFFSEQ= MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l $path 2>&1 >/dev/null), '' );
    ( $code, my $whatis ) = run( 'lexgrog', $path );
    like( $whatis, qr/ngx_http_upstream_502_module - names why/ );
};

subtest 'the page says where something is missing' => sub {
    my $readme = Upstream502::Nginx::slurp("$root/README.md");
    my $path   = write_file( 'README.md', $readme =~ s/^## Variables$/## Other/mr );
    is( qx(perl $root/tools/manpage.pl $path 1 2>&1 >/dev/null),
        "$path: no section \"Variables\"\n" );
};

sub changelog ($wanted) {
    return scalar qx(perl $root/tools/debian-changelog.pl name 'A B <c\@d>' \\
        $wanted <$root/CHANGELOG.md 2>&1);
}

subtest 'the changelog is one of Debian' => sub {
    my $text = changelog($version);
    like( $text, qr/\Aname \(\Q$version\E\) unstable; urgency=medium\n\n  / );
    unlike( $text, qr/^.{81}/m, 'lines as long as Debian wants them' );
    like( changelog('9.9.9'), qr/^CHANGELOG.md begins with \Q$version\E, the module is 9\.9\.9$/m );
    plan skip_all => 'no dpkg here' if !-x '/usr/bin/dpkg-parsechangelog';
    my $path = write_file( 'changelog', $text );
    my $parsed = qx(dpkg-parsechangelog --all -l $path 2>&1);
    unlike( $parsed, qr{^dpkg-parsechangelog}m );
    my @releases = Upstream502::Nginx::slurp("$root/CHANGELOG.md") =~ /^## /gm;
    is( scalar( () = $parsed =~ /^ name \(/gm ), @releases, 'every release' );
};

subtest 'what it installs is there' => sub {
    for my $list ( glob "$debian/*.examples $debian/*.docs" ) {
        ok( -e "$root/$_", $_ )
          for split /\n/, Upstream502::Nginx::slurp($list);
    }
    for my $script ( glob "$debian/*.post*" ) {
        is( system( 'sh', '-n', $script ), 0, $script );
    }
};

done_testing;
