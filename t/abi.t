#!/usr/bin/perl

# A module whose structures are not those of the running nginx is refused with a
# line that says so, however its signature fits. Here it is this module's own
# check, compiled with one field more in a header.

use v5.36;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename dirname);
use Test::More;
use Upstream502::Test;

my $t       = Upstream502::Test->new;
my $root    = abs_path("$FindBin::Bin/..");
my $module  = $t->address('MODULE');
my $objects = dirname( abs_path($module) ) . '/objs';
my $tree    = dirname($objects) . '/nginx';
plan skip_all => "not built in $objects" if !-f "$objects/Makefile";

# How the check is compiled and the module linked.
my @make     = ( '-f', "$objects/Makefile", "$objects/" . basename($module) );
my $commands = qx(make --no-print-directory -n -C \Q$tree\E @make \\
    -W \Q$root\E/src/nginx/abi.cc -o \Q$objects\E/Makefile);
$commands =~ s/\\\n//g;
my ($compile) = $commands =~ m{^(.* -c .*/src/nginx/abi\.cc)$}m;
my ($link) = $commands =~ m{^(.* -o \S+/ngx_http_upstream_502_module\.so.*)$}m;
ok $compile && $link, 'the commands' or BAIL_OUT($commands);

# A module with `$text` before the line of a header that matches `$line`.
sub build_with ( $name, $header, $line, $text ) {
    my $dir = $t->dir . "/$name";
    mkdir $dir;
    system( 'cp', '-rL', "$tree/src", "$dir/src" ) == 0 or die "cp: $!\n";
    my $code = $t->slurp("$name/src/$header");
    $code =~ s/^(?=.*\b$line)/$text\n/m or die "no $line in $header\n";
    unlink "$dir/src/$header";
    $t->write_raw( "$name/src/$header", $code );

    my ( $object, $file ) = ( "$objects/addon/nginx/abi.o", "$dir/module.so" );
    system(
        'sh', '-ec',
        "cd $dir\n" . join "\n",
        map { s{\Q$object\E}{$dir/abi.o}r } $compile,
        $link =~ s{ -o \S+}{ -o $file}r
    ) == 0 or die "it does not build\n";
    return $file;
}

sub check_with ($file) {
    return $t->check_config(
        file => "load_module $file; pid nginx.pid;
        events { } http { access_log off; }"
    );
}

my $field = 'ngx_uint_t more;';
my @cases = (
    [ none  => 'http/ngx_http_request.h', 'method_name;' ],
    [ cycle => 'core/ngx_cycle.h', 'listening;', qr/size of a listening/ ],
    [
        request => 'http/ngx_http_request.h',
        'method_name;', qr/"\$server_protocol"/
    ],
    [ head     => 'http/ngx_http_request.h',     'ctx;', qr/"\$http_host"/ ],
    [ server   => 'http/ngx_http_core_module.h', 'server_name;', qr/"\w+"/ ],
    [ location => 'http/ngx_http_core_module.h', 'error_log;',   qr/"types_/ ],
    [
        upstream => 'http/ngx_http_upstream.h',
        'socket_keepalive;', qr/"proxy_/
    ],
);
for my $case (@cases) {
    my ( $name, $header, $line, $told ) = @$case;
    subtest $name => sub {
        my $file = build_with( $name, $header, $line, $told ? $field : '' );
        my ( $code, $output ) = check_with($file);
        if ( !$told ) {
            is $code, 0, 'what fits is loaded' or diag $output;
            return;
        }
        is $code, 1, 'nginx -t fails';
        my ($why) = $output =~ /^\w+: \[emerg\] (.*)$/m;
        like $why,
          qr/^ngx_http_upstream_502_module was built for another nginx/,
          'with one line';
        like $why, $told, 'that says what differs';
        like $why,
          qr/is \d+ in this nginx and \d+ in the one the module was built for;/,
          'and whose is which';
    };
}

$t->end;
done_testing;
