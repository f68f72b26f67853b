#!/usr/bin/perl

# nginx without privileges may not use a foreign address as its own.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Runner;

my @drop   = qw(setpriv --reuid nobody --regid nogroup --clear-groups);
my $module = $ENV{TEST_MODULE}
  // "$FindBin::Bin/../build/ngx_http_upstream_502_module.so";
if ( $> == 0 ) {
    plan skip_all => 'nobody may not read the module, or there is no setpriv'
      if system("@drop test -r '$module' 2>/dev/null") != 0;
}

sub transparent ( $site, $option, $address, $to ) {
    return {
        name    => "$option of somebody else's address",
        site    => $site,
        conf    => "proxy_bind $address transparent; proxy_pass http://$to;",
        status  => 500,
        message => qr/^setsockopt\($option\) failed \(1: /,
    };
}

play(
    [
        transparent( 'B7a', 'IP_TRANSPARENT', '198.51.100.77', '%%closed%%' ),
        transparent(
            'B7b', 'IPV6_TRANSPARENT', '2001:db8::77', '[::1]:%%PORT_v6%%'
        ),
    ],
    setup => sub ($t) {
        return if $> != 0;
        chown +( getpwnam 'nobody' )[ 2, 3 ], $t->dir;
        $t->nginx->{as} = \@drop;
    },
    allow => [qr/setsockopt\(IP(?:V6)?_TRANSPARENT\) failed/],
);
