#!/usr/bin/perl

# The page in a browser, with data of our choice: what t/browser/check.js does
# to it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Browser;
use Upstream502::Test;

Upstream502::Browser->need;

my $t = Upstream502::Test->new;
$t->conf;
$t->start;

$ENV{NODE_PATH} = Upstream502::Browser::modules();
$ENV{CHROMIUM}  = Upstream502::Browser::chromium();
my $url    = 'http://' . $t->address('http') . '/status';
my $output = qx{node $FindBin::Bin/browser/check.js $url 2>&1};
is $?, 0, 'everything in t/browser/check.js' or diag $output;
like $output, qr/^1\.\.\d+$/m, 'which went to its end';

$t->finish;
done_testing;
