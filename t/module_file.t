#!/usr/bin/perl
# The module as a file: nginx opens modules with RTLD_GLOBAL, so that whatever
# one exports meets the symbols of the others.

use v5.36;

use FindBin;
use Test::More;

my $module = $ENV{TEST_MODULE}
  // "$FindBin::Bin/../build/ngx_http_upstream_502_module.so";

my @symbols = map { (split)[-1] } qx(nm -D --defined-only \Q$module\E);
is_deeply [ sort @symbols ],
  [qw(ngx_module_names ngx_module_order ngx_modules)],
  'it exports what nginx asks for and nothing else';

# Linked in, they would be copies beside those of another C++ module.
my $needed = qx(readelf -d \Q$module\E);
like $needed, qr/NEEDED.*\blibstdc\+\+\.so/, 'it needs the shared C++ library';
like $needed, qr/NEEDED.*\blibabsl_/,        'it needs the shared abseil';

done_testing;
