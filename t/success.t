#!/usr/bin/perl

# A request that does not fail costs no lock, no allocation, no formatting and
# no system call: it calls nothing at all outside of the module.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Backend qw(at_once);
use Upstream502::Imports qw(bytes);
use Upstream502::Test;
use Upstream502::Wire;

use constant { WARM => 10, REQUESTS => 100 };

my $t = Upstream502::Test->new;
if ( $ENV{TEST_NGINX_ASAN} ) {
    plan skip_all => 'sanitizers call out wherever they look';
}
my $imports = Upstream502::Imports->new( $t->dir, $t->{path} )
  // plan skip_all => 'needs x86-64 and a compiler';

$t->tcp( kept => at_once( [ http_ok(), 'keep' ],  http => 1 ) );
$t->tcp( once => at_once( [ http_last(), 'close' ], http => 1 ) );
$t->unix( unix => at_once( [ http_last(), 'close' ], http => 1 ) );
$t->tcp(
    fcgi => at_once( [ fcgi( 6, "A: b\r\n\r\nok" ) . fcgi_end(), 'close' ] ) );
$t->conf(
    http => 'upstream kept { server %%kept%%; keepalive 4; }
        upstream balanced { least_conn; server %%kept%%; server %%once%%; }
        upstream retried { server %%closed%% max_fails=0;
            server %%kept%% backup; }',
    server => 'access_log off;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location = /kept { proxy_pass http://kept; }
        location = /once { proxy_pass http://%%once%%; }
        location = /unix { proxy_pass http://%%unix%%; }
        location = /balanced { proxy_pass http://balanced; }
        location = /fastcgi { fastcgi_pass %%fcgi%%; }
        location = /static { return 200 static; }
        location = /refused { proxy_pass http://%%closed%%; }
        location = /retried { proxy_pass http://retried; }
        location = /logged { access_log %%DIR%%/objects.log objects;
            proxy_pass http://%%closed%%; }',
);
{
    local %ENV = ( %ENV, $imports->environment );
    $t->start;
}
if ( !%{ $imports->read } ) {
    $t->end;
    plan skip_all => 'the dynamic linker tells nothing';
}

# A request is over, with its log phase, when another has been answered.
sub ask ( $uri, $times ) {
    my @status = map { $t->get($uri)->{status} } 1 .. $times;
    $t->get('/static');
    return @status;
}

# What REQUESTS of a kind call, once the first ones have been served.
sub calls ( $uri, $status = 200 ) {
    ask( $uri, WARM );
    my $before = $imports->read;
    my $wrong  = grep { $_ != $status } ask( $uri, REQUESTS );
    my %calls = $imports->since($before);
    is $wrong, 0, "$uri: answered with $status";
    return %calls;
}

sub told (%calls) {
    return join ', ', map { "$_ $calls{$_}{calls}" } sort keys %calls;
}

for my $uri (qw(/kept /once /unix /balanced /fastcgi /static)) {
    my %calls = calls($uri);
    is told(%calls), '', "$uri: $imports->{module} calls nothing";
}

# That nothing is seen above proves something only if something is seen here.
my %refused = calls( '/refused', 502 );
cmp_ok $refused{ngx_palloc}{calls}, '>=', REQUESTS, 'a failure is recorded';
cmp_ok bytes(%refused) / REQUESTS, '>', 0, 'which takes memory of the pool';
note 'a refused 502: ', bytes(%refused) / REQUESTS, ' bytes, ', told(%refused);

my %retried = calls('/retried');
cmp_ok bytes(%retried) / REQUESTS, '>', 0, 'a failed attempt, too';

my %logged = calls( '/logged', 502 );
cmp_ok bytes(%logged), '>', bytes(%refused), 'a variable takes more';

$t->finish;
done_testing;
