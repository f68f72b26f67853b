#!/usr/bin/perl

# Cached failures and failures that the cache hides.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my @HEADERS = ('Cache-Control: max-age=1');

my $t = Upstream502::Test->new;
$t->tcp(
    bad => [ 'read', [ write => http_status( 502, 'theirs' ) ], 'close' ] );
$t->tcp( rst => [ 'read', 'rst' ] );

# Well once, then never again.
my @once = [ 'read', [ write => http_last( 'old', @HEADERS ) ], 'close' ];
$t->tcp( stale      => sequence( @once, [ 'read', 'rst' ] ) );
$t->tcp( background => sequence( @once, [ 'read', 'rst' ] ) );
$t->tcp(
    stale502 => sequence(
        @once, [ 'read', [ write => http_status( 502, 'theirs' ) ], 'close' ]
    )
);

# Slices of ten bytes: the first is soon asked for again, and has changed then.
sub slice ( $from, $etag, $age ) {
    return [
        'read',
        [
            write => http_status(
                206,
                'x' x 10,
                'Content-Range: bytes ' . $from . '-' . ( $from + 9 ) . '/20',
                "ETag: \"$etag\"",
                "Cache-Control: max-age=$age",
                'Connection: close'
            )
        ],
        'close'
    ];
}
$t->tcp( slices =>
      sequence( slice( 0, 'a', 1 ), slice( 10, 'a', 900 ), slice( 0, 'b', 1 ) )
);

$t->conf( http => <<'CONF', server => <<'CONF2' );
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
upstream bad { server %%bad%%; }
upstream rst { server %%rst%%; }
upstream stale { server %%stale%%; }
upstream stale502 { server %%stale502%%; }
upstream slices { server %%slices%%; }
upstream background { server %%background%%; }
CONF
proxy_cache c;
proxy_cache_key $uri;
location = /cached { proxy_cache_valid 502 1h; proxy_pass http://bad; }
location = /negative { proxy_cache_valid 502 1h; proxy_pass http://rst; }
location = /stale { proxy_cache_use_stale error; proxy_pass http://stale; }
location = /stale502 { proxy_cache_use_stale http_502;
    proxy_pass http://stale502; }
location = /slices { slice 10; proxy_cache_key $uri$slice_range;
    proxy_set_header Range $slice_range; proxy_http_version 1.1;
    proxy_pass http://slices; }
location = /background {
    proxy_cache_use_stale error updating;
    proxy_cache_background_update on;
    proxy_pass http://background;
}
CONF2
$t->start;

subtest "the upstream's own 502, replayed from the cache" => sub {
    my $first  = $t->row( $t->get('/cached') );
    my $before = $t->status;
    my $r      = $t->get('/cached');
    my $second = $t->row($r);
    my $after  = $t->status;
    is $first->{upstream_502_origin},  'upstream', 'first the upstream says so';
    is $r->{status},                   502,        'client status';
    is $second->{upstream_502},        1,          'gateway response';
    is $second->{upstream_502_origin}, 'cache',    'then the cache';
    is $second->{upstream_502_cause},  '-',        'nothing failed this time';
    is gained( $before, $after, 'totals', 'failures' ),       0, 'no failure';
    is gained( $before, $after, 'totals', 'responses', 502 ), 1, 'one 502';
    is gained( $before, $after, 'totals', 'origins', 'cache' ), 1,
      'by the cache';
};

subtest 'a 502 made by nginx, replayed from the cache' => sub {
    my $first  = $t->row( $t->get('/negative') );
    my $before = $t->status;
    my $second = $t->row( $t->get('/negative') );
    my $after  = $t->status;
    is $first->{upstream_502_origin},  'nginx',                 'first nginx';
    is $first->{upstream_502_cause},   'reset_before_response', 'with a cause';
    is $second->{upstream_502_origin}, 'cache', 'then the cache';
    is $second->{upstream_502_cause},  '-',     'without one';
    is gained( $before, $after, 'totals', 'responses', 502 ), 1, 'one 502';
    is gained( $before, $after, 'totals', 'origins', 'cache' ), 1,
      'by the cache';
};

# Asks until the cached answer has expired and the upstream is asked again.
sub ask_stale ($uri) {
    is $t->get($uri)->{body}, 'old', 'filled';
    return wait_for 'the cache to expire', sub {
        my $r   = $t->get($uri);
        my $row = $t->row($r);
        return $row->{upstream_addr} ne '-' ? [ $r, $row ] : undef;
    };
}

for my $case ( [ stale => 'reset_before_response' ],
    [ stale502 => 'error_status' ] )
{
    my ( $name, $cause ) = @$case;
    subtest "a stale answer hides $cause" => sub {
        my $before = $t->status;
        my ( $r, $row ) = @{ ask_stale("/$name") };
        my $after = $t->status;
        is $r->{status},                 200,    'client status';
        is $r->{body},                   'old',  'the stale answer';
        is $row->{upstream_502_cause},   $cause, 'cause';
        is $row->{upstream_502_rescued}, 1,      'rescued';
        is $row->{upstream_502},         '-',    'no gateway response';
        is gained( $before, $after, \$name, 'failures' ), 1, 'one failure';
        is gained( $before, $after, \$name, 'rescued' ),  1, 'one rescued';
        is gained( $before, $after, 'totals', 'responses', 502 ), 0, 'no 502';
    };
}

# The client gets a cut response, and no attempt has brought it.
subtest 'a slice out of the cache that does not fit' => sub {
    is $t->get('/slices')->{body}, 'x' x 20, 'filled';
    my $before = wait_for 'the first slice to expire', sub {
        my $now = $t->status;
        $t->get('/slices');
        return $t->farm->connections('slices') > 2 ? $now : undef;
    };
    my $after = $t->status;
    like $t->error_log, qr/etag mismatch in slice response/, 'it did not';
    is gained( $before, $after, 'totals', 'failures' ), 0, 'no failure';
    is gained( $before, $after, \'slices', $_ ), 1, "one of $_"
      for qw(requests attempts);
};

subtest 'a background update that fails' => sub {
    my $before = $t->status;
    is $t->get('/background')->{body}, 'old', 'filled';
    wait_for 'the update to fail', sub {
        $t->get('/background');
        return $t->farm->connections('background') > 1;
    };
    my $after = wait_for 'the failure to be counted', sub {
        my $status = $t->status;
        return gained( $before, $status, \'background', 'failures' )
          ? $status
          : undef;
    };
    ok $after->{events}[0]{rescued}, 'the event says rescued';
    is gained( $before, $after, \'background', 'causes',
        'reset_before_response' ),
      1, 'the cause';
    is gained( $before, $after, 'totals', 'responses', 502 ), 0, 'no 502';
};

$t->finish;
done_testing;
