#!/usr/bin/perl

# A worker that runs out of memory, wherever that may be, goes on: it answers
# the next request, and counts it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Follow;
use Upstream502::Memory;
use Upstream502::Test;
use Upstream502::Wire;

plan skip_all => 'allocations are the sanitizers\' own'
  if $ENV{TEST_LD_PRELOAD};

my $t = Upstream502::Test->new(
    allow => [qr/\[emerg\] .* failed \(12: Cannot allocate memory\)/] );
my $memory = Upstream502::Memory->new( $t->dir );
$t->tcp( rst => [ 'read', 'rst' ] );
$t->tcp(
    good => [ 'read', [ write => "HTTP/1.0 200 OK\r\n\r\nfine" ], 'close' ] );
$t->tcp(
    ssi => [
        'read',
        [
            write => "HTTP/1.0 200 OK\r\n\r\n"
              . '<!--#include virtual="/refused" --><!--#include virtual="/retried" -->'
        ],
        'close'
    ]
);
$t->tcp(
    fcgi => [
        'read_some',
        [ write => fcgi( 7, 'PHP complains' ) . fcgi( 6, '' ) . fcgi_end() ],
        'close'
    ]
);
$t->conf(
    error_log => 'error_log %%DIR%%/error.log error;',
    http      => <<'CONF',
request_pool_size 256;
proxy_cache_path %%DIR%%/cache keys_zone=cache:1m;
upstream retry { server %%rst%% max_fails=0; server %%good%% backup; }
CONF
    server => <<'CONF' );
upstream_502_proxy_status on;
location = /refused { proxy_pass http://%%closed%%; }
location = /reset { proxy_pass http://%%rst%%; }
location = /variable { proxy_pass http://$http_x_target; }
location = /retried { proxy_pass http://retry; }
location = /fastcgi { fastcgi_pass %%fcgi%%; }
location = /auth { auth_request /refused; proxy_pass http://%%good%%; }
location = /ssi { ssi on; ssi_types *; proxy_pass http://%%ssi%%; }
location = /cached {
    proxy_cache cache;
    proxy_cache_valid any 1m;
    proxy_pass http://retry;
}
location = /page { proxy_pass http://%%closed%%; error_page 502 = /retried; }
CONF
$t->start;

my ($worker) = $t->nginx->workers;
my @headers = ( 'X-Target: ' . $t->expand('%%closed%%') );

# Leaves a little more memory each time, until the request has enough.
sub starve ( $uri, $status ) {
    my $enough;
    for ( my $left = 0 ; !$enough && $left < 40_000 ; $left += 1 + $left / 50 )
    {
        $memory->leave( $worker, $left );
        my $r = eval { $t->get( $uri, headers => \@headers ) };
        $enough = $r && !$memory->is_gone;
        $memory->give_back;
        my @workers = $t->nginx->workers;
        die "the worker is gone\n" if "@workers" ne $worker;
        next                       if !$enough;
        cmp_ok $left, '>', 3, "$uri takes memory";
        is $r->{status}, $status, "$uri with enough memory";
    }
    ok $enough, "$uri is answered in the end";
    is $t->get( $uri, headers => \@headers )->{status}, $status,
      "$uri after that";
    return;
}

# The same of one who follows, until it is told of a failure.
sub starve_follower () {
    my $told;
    for ( my $left = 0 ; !$told && $left < 40_000 ; $left += 1 + $left / 8 ) {
        $memory->leave( $worker, $left );
        my $f = Upstream502::Follow->new( $t, 'format=json&limit=5' );
        eval { $t->get('/refused') };
        eval {
            wait_for 'a failure, or none', sub {
                $told = $f->take(0.1)
                  && ( () = $f->body =~ /"type":"failure"/g ) > 5;
                return $told || $memory->is_gone || $f->{ended};
            };
        };
        $told = 0 if $memory->is_gone;
        $memory->give_back;
        $f->leave;
        my @workers = $t->nginx->workers;
        die "the worker is gone\n" if "@workers" ne $worker;
    }
    ok $told, 'one who follows is told in the end';
    my $f = Upstream502::Follow->new( $t, 'format=json&limit=0' );
    $f->wait('alive');
    $t->get('/refused');
    ok $f->wait('failure'), 'and after that';
    $f->leave;
}

starve( '/refused',          502 );
starve( '/reset',            502 );
starve( '/variable',         502 );
starve( '/retried',          200 );
starve( '/page',             200 );
starve( '/fastcgi',          502 );
starve( '/auth',             500 );
starve( '/ssi',              200 );
starve( '/cached',           200 );
starve( "/status?format=$_", 200 ) for qw(json html text prometheus);
starve_follower();

$t->finish;
done_testing;
