#!/usr/bin/perl

# What nginx does without the module it does with it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test;
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp(
    page => [
        'read',
        [
            write => http_ok(
                '<!--# echo var="request_id" --> '
                  . '<!--# echo var="request_id" -->',
                'Content-Type: text/html'
            )
        ],
        'close'
    ]
);
$t->conf( server => <<'CONF' );
location / { ssi on; proxy_pass http://%%page%%; }
CONF
$t->start;

# A variable that nobody indexed is made anew at every use.
my ( $first, $second ) = split ' ', $t->get('/')->{body};
like( $first,  qr/^[0-9a-f]{32}$/, 'an id' );
like( $second, qr/^[0-9a-f]{32}$/, 'another' );
isnt( $second, $first, '$request_id in SSI is a new one each time' );

$t->finish;
done_testing;
