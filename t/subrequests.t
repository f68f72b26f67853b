#!/usr/bin/perl

# Subrequests: auth_request, mirror, SSI, slices, post_action. What fails in
# them is counted and has its event, though it is not the client's answer.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net  qw(accept_from listen_tcp);
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( ok   => [ 'read', [ write => http_last('fine') ], 'close' ] );
$t->tcp( rst  => [ 'read', 'rst' ] );
$t->tcp( hold => [ 'read', 'hold' ] );
$t->tcp(
    cut => [
        'read',
        [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ], 'close'
    ]
);

# The first slice is well, the second one is not.
$t->tcp(
    sliced => sequence(
        [
            'read',
            [
                write => "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n"
                  . "Content-Range: bytes 0-1023/4096\r\n"
                  . "Content-Length: 1024\r\n\r\n"
                  . 'x' x 1024
            ],
            'close'
        ],
        [ 'read', 'rst' ]
    )
);

# This test's own.
my $begun = listen_tcp();

sub include (@uris) {
    return join '', map { "<!--# include virtual=\"$_\" -->" } @uris;
}
$t->write( 'ssi.html',      include('/ssi-dead') . 'after' );
$t->write( 'ssi-pair.html', include('/i-pair') );
$t->write( 'ssi-many.html', include(qw(/i-silent /i-dead /i-reset /i-cut)) );

my $port = $begun->sockport;
$t->conf( http => <<"CONF0" . <<'CONF', server => <<'CONF2' );
upstream begun { server 127.0.0.1:$port; }
CONF0
upstream dead { server %%closed%%; }
upstream reset { server %%rst%%; }
upstream hold { server %%hold%%; }
upstream good { server %%ok%%; }
upstream pair { server %%rst%%; server %%ok%% backup; }
upstream cut { server %%cut%%; }
upstream sliced { server %%sliced%%; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
CONF
root %%DIR%%;
ssi on;
ssi_types *;
location = /auth { auth_request /auth-dead; proxy_pass http://good; }
location = /auth-dead { internal; proxy_pass http://dead; }
location = /auth-ok { auth_request /auth-good; proxy_pass http://dead; }
location = /auth-good { internal; proxy_pass http://good; }
location = /auth-passed { auth_request /auth-saved; try_files /none =503; }
location = /auth-saved { internal; error_page 502 =200 /fine;
    proxy_pass http://dead; }
location = /fine { return 200; }
location = /mirror { mirror /mirror-dead; proxy_pass http://good; }
location = /mirror-reset { mirror /mirror-dead; proxy_pass http://reset; }
location = /mirror-dead { internal; proxy_pass http://dead; }
location = /mirror-gone { mirror /mirror-begun; proxy_pass http://hold; }
location = /mirror-begun { internal; proxy_pass http://begun; }
location = /mirror-uri { mirror /mirror-rewritten; proxy_pass http://good; }
location = /mirror-rewritten { internal; rewrite ^ $request_uri break;
    proxy_pass http://dead; }
location = /post-action { post_action /dead-after; proxy_pass http://good; }
location = /dead-after { internal; proxy_pass http://dead; }
location = /ssi-dead { proxy_pass http://dead; }
location /i- {
    location = /i-pair { proxy_pass http://pair; }
    location = /i-dead { proxy_pass http://dead; }
    location = /i-reset { proxy_pass http://reset; }
    location = /i-silent { proxy_read_timeout 300ms; proxy_pass http://hold; }
    location = /i-cut { proxy_pass http://cut; }
}
location = /slice { slice 1k; proxy_cache c; proxy_cache_key $uri$slice_range;
    proxy_set_header Range $slice_range; proxy_http_version 1.1;
    proxy_pass http://sliced; }
CONF2
$t->start;

sub play ( $uri, %o ) { return $t->observe( $uri, %o ) }

sub causes ($p) {
    return [ map { $_->{cause} } @{ $p->{events} } ];
}

subtest 'auth_request whose backend is down' => sub {
    my $p = play('/auth');
    is $p->{r}{status},                500,                  'client status';
    is $p->{row}{upstream_502},        1,                    'gateway response';
    is $p->{row}{upstream_502_origin}, 'nginx',              'origin';
    is $p->{row}{upstream_502_cause},  'connection_refused', 'cause';
    is $p->{row}{upstream_502_errno},  111,                  'errno';
    is $p->{row}{upstream_502_upstream}, 'dead',             'upstream';
    is_deeply causes($p), ['connection_refused'], 'one event';
    is $p->{events}[0]{client_status}, 500, 'the event has the client status';
    is $p->{gained}->( 'totals', 'responses', 500 ), 1, 'one 500';
    is $p->{gained}->( 'totals', 'responses', 502 ), 0, 'no 502';
};

subtest 'auth_request passes, the backend is down' => sub {
    my $p = play('/auth-ok');
    is $p->{r}{status},               502,                  'client status';
    is $p->{row}{upstream_502_cause}, 'connection_refused', 'cause';
    is $p->{gained}->( \'good', 'requests' ), 1, 'the subrequest is counted';
};

subtest 'auth_request passes for a page, and nginx has no answer' => sub {
    my $p = play('/auth-passed');
    is $p->{r}{status}, 503, 'client status';
    is $p->{row}{$_},   '-', "no $_"
      for qw(upstream_502 upstream_502_cause upstream_502_upstream);
    is_deeply causes($p), ['connection_refused'], 'the subrequest has an event';
};

subtest 'a mirror that is down' => sub {
    my $p = play('/mirror');
    is $p->{r}{status},         200, 'client status';
    is $p->{row}{upstream_502}, '-', 'no gateway response';
    is_deeply causes($p), ['connection_refused'], 'the mirror has an event';
    is $p->{gained}->( \'dead', 'failures' ), 1, 'and is counted';
    is $p->{gained}->( \'dead', 'responses', 502 ), 0, 'but no client saw it';
    ok $p->{events}[0]{rescued}, 'which is to be rescued';
    is $p->{events}[0]{client_status}, 200, 'the event has the client status';
    is $p->{gained}->( 'totals', 'responses', 502 ), 0, 'no 502 in all';
};

subtest 'an SSI include that is down' => sub {
    my $p = play('/ssi.html');
    is $p->{r}{status}, 200, 'client status';
    like $p->{r}{body}, qr/after$/, 'the page is there';
    is_deeply causes($p), ['connection_refused'], 'the include has an event';
    ok !$p->{events}[0]{rescued}, 'the client saw it';
    is $p->{gained}->( \'dead', 'attempts' ), 1, 'and is counted';
    is $p->{gained}->( 'totals', 'responses', 502 ), 0, 'no 502 in all';
};

subtest 'an SSI include that a retry saves' => sub {
    my $p = play('/ssi-pair.html');
    is $p->{r}{body}, 'fine', 'the include is there';
    is_deeply causes($p), ['reset_before_response'], 'with an event';
    ok $p->{events}[0]{rescued}, 'that is rescued';
    is $p->{gained}->( \'pair', 'rescued' ), 1, 'and counted so';
};

subtest 'post_action' => sub {
    my $p = play('/post-action');
    is $p->{r}{status}, 200, 'client status';
    is $p->{gained}->( \'dead', 'failures' ), 1, 'the action is counted';
    is $p->{gained}->( 'totals', 'responses', 502 ),
      $p->{row}{status} == 502 ? 1 : 0, 'and the books follow the access log';
};

subtest 'slices' => sub {
    my $p = play('/slice');
    ok !$p->{r}{complete}, 'the response is cut';
    is_deeply causes($p), ['reset_before_response'], 'the second has an event';
    is $p->{gained}->( \'sliced', 'attempts' ), 2, 'two attempts';
    is $p->{gained}->( \'sliced', 'failures' ), 1, 'one failure';
    is $p->{gained}->( 'totals', 'rescued' ), 0, 'nobody was rescued';
};

subtest 'SSI includes that fail at the same time' => sub {
    my $p = play('/ssi-many.html');
    is $p->{r}{status}, 200, 'client status';
    my %causes =
      map { $_->{uri} => "$_->{upstream} $_->{cause}" } @{ $p->{events} };
    is_deeply \%causes,
      {
        '/i-dead'   => 'dead connection_refused',
        '/i-reset'  => 'reset reset_before_response',
        '/i-silent' => 'hold read_timeout',
        '/i-cut'    => 'cut body_incomplete',
      },
      'each has its own cause'
      or diag explain \%causes;
    is scalar @{ $p->{events} }, 4, 'four events';
};

subtest 'a query string in the URI of a subrequest is not recorded' => sub {
    my $p = play('/mirror-uri?secret=1');
    is $p->{events}[0]{uri}, '/mirror-uri', 'the path alone';
};

subtest 'mirror and request fail differently' => sub {
    my $p = play('/mirror-reset');
    is $p->{r}{status}, 502, 'client status';
    is $p->{row}{upstream_502_cause}, 'reset_before_response',
      "the request's own cause";
    is_deeply [ sort @{ causes($p) } ],
      [ 'connection_refused', 'reset_before_response' ], 'two events';
    is $p->{gained}->( 'totals', 'responses', 502 ), 1, 'one 502';
};

# nginx notes the status with its line, long before the header has ended.
subtest 'a client that goes while a mirror begins to answer' => sub {
    for my $answer ( '200 OK', '502 Bad Gateway', '504 Gateway Time-out' ) {
        my $before = $t->status;
        my $sent   = $t->send('/mirror-gone');
        my $socket = accept_from($begun);
        sysread $socket, my $request, 65536;
        syswrite $socket, "HTTP/1.1 $answer\r\nContent-Length: 3\r\n";
        $t->nginx->wait_idle;
        close $sent->{socket};
        my $row = $t->row( $sent->{id} );
        is $row->{status}, 499, "$answer: the client has gone";
        my $after = $t->status;
        my $of    = sub ($what) { gained( $before, $after, \'begun', $what ) };
        is $of->('attempts'), 1, 'the attempt is counted';
        is $of->('failures'), 0, 'nobody has failed';
        is $after->{events}[0]{id}, $before->{events}[0]{id}, 'no event';
    }
};

$t->finish;
done_testing;
