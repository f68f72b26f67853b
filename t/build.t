#!/usr/bin/perl

# tools/build-module.sh configures a source tree as its nginx was configured:
# with its add-ons, which may change what nginx's structures look like.

use v5.36;

use Cwd qw(abs_path);
use FindBin;
use File::Copy qw(copy);
use File::Temp ();
use Test::More;

my $root   = abs_path("$FindBin::Bin/..");
my $debian = '/usr/share/nginx/src';
plan skip_all => "no nginx source tree at $debian" if !-d "$debian/auto";

my $dir    = File::Temp->newdir;
my $config = "$dir/tree/objs/ngx_auto_config.h";
my $built  = "$dir/build/objs/ngx_auto_config.h";

sub write_file ( $path, $text ) {
    open my $file, '>', $path or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
}

sub read_file ($path) {
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return <$file>;
}

# A tree with its own objs, beside it two add-ons, and in place of make one that
# only notes what it was asked for.
mkdir "$dir/$_" for qw(tree tree/objs static dynamic bin);
symlink $_, "$dir/tree/" . ( split m{/} )[-1]
  for grep { !/conf_flags$/ } glob "$debian/*";
write_file( "$dir/static/config",
    "ngx_addon_name=static\nhave=NGX_TEST_ADDON . auto/have\n" );
write_file( "$dir/dynamic/config", <<'END');
ngx_addon_name=ngx_test_dynamic
ngx_module_type=HTTP
ngx_module_name=ngx_test_dynamic
ngx_module_srcs=$ngx_addon_dir/dynamic.c
. auto/module
END
write_file( "$dir/bin/make", <<"END");
#!/bin/sh
echo "\$*" >$dir/asked
for target; do :; done
echo >"\$target"
END
chmod 0755, "$dir/bin/make";

sub configured_with ( $arguments, $defines ) {
    my $quoted = $arguments =~ s/(["\\])/\\$1/gr;
    write_file( $config, qq(#define NGX_CONFIGURE "$quoted"\n$defines) );
}

sub build {
    local $ENV{PATH}      = "$dir/bin:$ENV{PATH}";
    local $ENV{NGINX_SRC} = "$dir/tree";
    local $ENV{BUILD}     = "$dir/build";
    delete local @ENV{qw(NGINX_ARGS CC_OPT LD_OPT CC)};
    unlink "$dir/asked";
    my $output = qx(\Q$root\E/tools/build-module.sh 2>&1);
    return ( $? >> 8, $output );
}

my $recorded =
    " --with-compat --add-module=../static --add-dynamic-module=$dir/dynamic"
  . " --add-dynamic-module=$root --builddir=elsewhere"
  . " --with-cc-opt='-O0 -DNGX_TEST_OPTION=\"x\" -I /nowhere -D_FORTIFY_SOURCE=3'"
  . " --without-http_rewrite_module --without-http_gzip_module";

subtest 'what differs stops the build, by name' => sub {
    configured_with( $recorded,
        "#define NGX_COMPILER \"another\"\n#define NGX_TEST_LOST  7\n" );
    my ( $code, $output ) = build();
    isnt $code, 0, 'it fails';
    like $output, qr/^the nginx in \Q$dir\E\/tree was configured otherwise/m,
      'saying why';
    like $output, qr/^  there: NGX_TEST_LOST 7$/m, 'what only the tree has';
    like $output, qr/^  here:  NGX_TEST_ADDON 1$/m,
      'what only the add-on has here';
    unlike $output, qr/NGX_COMPILER|NGX_CONFIGURE|NGX_PREFIX/, 'and no text';
    ok !-e "$dir/asked", 'nothing is compiled';
};

subtest 'a tree that fits' => sub {
    my $defines = read_file($built) =~ s/^#define NGX_CONFIGURE .*\n//mr;
    configured_with( $recorded, $defines );
    my ( $code, $output ) = build();
    is $code, 0, 'passes' or diag $output;
    my $module = "$dir/build/objs/ngx_http_upstream_502_module.so";
    like read_file("$dir/asked"), qr/ \Q$module\E$/, 'this module is built';
    my $makefile = read_file("$dir/build/objs/Makefile");
    like $makefile, qr/\Q$dir\E\/dynamic\/dynamic\.c/, 'the add-on is known';
    is scalar( () = $makefile =~ /^\Q$module\E:/mg ), 1, 'this one once';
    my ($flags) = $makefile =~ /^(CFLAGS = .*)/m;
    like $flags, qr/ -DNGX_TEST_OPTION="x" -I \/nowhere -g -O2 /,
      'macros and folders of the tree, the rest is ours';
    unlike $flags, qr/-O0|SOURCE=3/, 'and not its own';
    is( ( build() )[0], 0, 'again, without configuring' );
};

subtest 'an add-on that is gone' => sub {
    configured_with( '--add-module=../gone', '' );
    my ( $code, $output ) = build();
    isnt $code, 0, 'it fails';
    like $output, qr/configured with \.\.\/gone, which is not there/,
      'saying why';
};

done_testing;
