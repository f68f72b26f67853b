#!/usr/bin/perl

# A page of thousands of subrequests that all fail, each with an error_page: what
# the module does for one of them does not grow with the number of the others.
# Counted is the worker's time on a processor, beside that of the same page where
# the module is off, by turns.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(min);
use Test::More;
use Upstream502::Nginx ();
use Upstream502::Test;

plan skip_all => 'sanitizers have costs of their own' if $ENV{TEST_NGINX_ASAN};

my $MANY   = 10_000;
my $ROUNDS = 2;

my $t = Upstream502::Test->new;
for my $name (qw(on off)) {
    mkdir $t->dir . "/$name";
    $t->write( "$name/page.html",
        join '', map { qq{<!--# include virtual="/$name/part" -->\n} } 1 .. $MANY );
}
my $part = 'location = /%s/part { proxy_pass http://unix:%%%%DIR%%%%/none.sock;
    error_page 502 = /%s/none; %s }
    location = /%s/none { return 200 ""; }
    location = /%s/page.html { root %%%%DIR%%%%; ssi on; %s }';
$t->conf(
    server => join "\n",
    sprintf( $part, ('on') x 2, '', ('on') x 2, '' ),
    sprintf( $part, ('off') x 2, 'upstream_502 off;', ('off') x 2, 'upstream_502 off;' ),
);
$t->start;
my ($worker) = $t->nginx->workers;

# Nanoseconds that it was on a processor.
sub spent () {
    return ( split ' ', Upstream502::Nginx::slurp("/proc/$worker/schedstat") )[0];
}

sub cost ($name) {
    my $before = spent();
    is $t->get("/$name/page.html")->{status}, 200, $name;
    $t->nginx->wait_idle;
    return spent() - $before;
}

my %cost;
for ( 1 .. $ROUNDS ) {
    push @{ $cost{$_} }, cost($_) for qw(on off);
}
is $t->status->{totals}{failures}, $MANY * $ROUNDS, 'each of them is counted';
my $ratio = min( @{ $cost{on} } ) / min( @{ $cost{off} } );
cmp_ok $ratio, '<', 1.8, sprintf '%d take %.2f of the time', $MANY, $ratio;
$t->finish;
done_testing;
