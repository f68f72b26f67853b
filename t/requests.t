#!/usr/bin/perl

# Redirects inside nginx, clients that leave and connections that are kept:
# every attempt is counted where it was made, and the variables speak of what
# decided.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( ok      => [ 'read', [ write => http_last('fine') ], 'close' ] );
$t->tcp( rst     => [ 'read', 'rst' ] );
$t->tcp( hold    => [ 'read', 'hold' ] );
$t->tcp( theirs  => [ 'read', [ write => http_status(502) ], 'close' ] );
$t->tcp( missing => [ 'read', [ write => http_status(404) ], 'close' ] );
$t->tcp( shut    => [ 'read', 'close' ] );
$t->tcp(
    chunk => [
        'read',
        [
            write =>
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        ],
        'close'
    ]
);
$t->tcp(
    accel => [
        'read', [ write => http_last( '', 'X-Accel-Redirect: /behind' ) ],
        'close'
    ]
);
$t->write( 'sorry.html', "sorry\n" );
$t->tcp( busy => [ 'read', [ write => http_status(503) ], 'close' ] );
my $mixed = join ' ', map {
    my $address = $_ % 2 ? "127.0.5.$_:%%PORT_nobody%%" : '%%busy%%';
    "server $address max_fails=0;"
} 1 .. 20;
my $forty = join ' ', map { "server 127.0.5.$_:%%PORT_nobody%%;" } 1 .. 40;

$t->conf(
    http =>
      <<'CONF' =~ s/FORTY/$forty/r =~ s/MIXED/$mixed/r, server => <<'CONF2' );
upstream dead { server %%closed%%; }
upstream spoken { server %%closed%%; }
upstream reset { server %%rst%%; }
upstream hold { server %%hold%%; }
upstream good { server %%ok%%; }
upstream accel { server %%accel%%; }
upstream theirs { server %%theirs%%; }
upstream missing { server %%missing%%; }
upstream forty { FORTY }
upstream mixed { MIXED server %%ok%% backup; }
server {
    listen 127.0.0.1:%%PORT_strict%%;
    error_page 400 = /dead;
    location = /dead { proxy_pass http://dead; }
}
CONF
root %%DIR%%;
location = /static { error_page 502 /sorry.html; proxy_pass http://dead; }
location = /static200 { error_page 502 =200 /sorry.html;
    proxy_pass http://dead; }
location = /sorry.html { }
location = /named { error_page 502 = @good; proxy_pass http://dead; }
location @good { proxy_pass http://good; }
location = /named-bad { error_page 502 = @reset; proxy_pass http://dead; }
location @reset { proxy_pass http://reset; }
location = /uri { error_page 502 = /behind-good; proxy_pass http://dead; }
location = /keeps { error_page 502 /behind-good; proxy_pass http://dead; }
location = /keeps-theirs { proxy_intercept_errors on;
    error_page 502 /behind-good; proxy_pass http://theirs; }
location = /keeps-504 { error_page 504 /behind-good; proxy_read_timeout 200ms;
    proxy_pass http://hold; }
location = /keeps-500 { error_page 500 /behind-good; proxy_bind 198.51.100.77;
    proxy_pass http://good; }
location = /behind-good { proxy_pass http://good; }
location = /hold { proxy_pass http://hold; }
location = /upload { proxy_request_buffering off; proxy_http_version 1.1;
    lingering_timeout 50ms; proxy_pass http://hold; }
location = /accel { proxy_pass http://accel; }
location = /behind { internal; proxy_pass http://dead; }
location = /if { if ($arg_x) { set $y 1; } proxy_pass http://dead; }
location = /add-header {
    add_header X-Cause $upstream_502_cause always;
    add_header X-Origin $upstream_502_origin always;
    proxy_pass http://dead;
}
location = /shut { proxy_pass http://%%shut%%; }
location = /chunk { proxy_http_version 1.1; proxy_pass http://%%chunk%%; }
location = /mirror { mirror /mirror-dead; proxy_pass http://good; }
location = /mirror-dead { internal; proxy_pass http://dead; }
location = /forty { proxy_pass http://forty; }
location = /mixed { proxy_next_upstream error http_503;
    add_header X-Failures $upstream_502_failures;
    proxy_pass http://mixed; }
location = /http { proxy_pass http://spoken; }
location = /https { proxy_pass https://spoken; }
location = /fastcgi { fastcgi_pass spoken; }
location = /loop { recursive_error_pages on; error_page 502 = /loop;
    proxy_pass http://dead; }
location = /not-found { proxy_intercept_errors on; error_page 404 = /behind;
    proxy_pass http://missing; }
CONF2
$t->start;

sub play ( $uri, %o ) { return $t->observe( $uri, %o ) }

sub causes ($p) {
    return [ map { $_->{cause} } @{ $p->{events} } ];
}

subtest 'lines of one length are told apart' => sub {
    for ( 1 .. 2 ) {
        my $chunk = $t->row( $t->get('/chunk') );
        is $chunk->{upstream_502_cause}, 'body_incomplete', 'a chunk';
        is $chunk->{upstream_502_message},
          'upstream sent invalid chunked response', 'its line';
        my $shut = $t->row( $t->get('/shut') );
        is $shut->{upstream_502_cause}, 'closed_before_response', 'an end';
        is $shut->{upstream_502_message},
          'upstream prematurely closed connection', 'its line';
    }
};

subtest 'one upstream is spoken to in several protocols' => sub {
    for my $protocol (qw(http https http fastcgi https fastcgi http)) {
        my $p = play("/$protocol");
        is $p->{events}[0]{protocol}, $protocol, $protocol;
    }
};

subtest 'error_page with a page keeps the 502' => sub {
    my $p = play('/static');
    is $p->{r}{status},                502,                  'client status';
    is $p->{r}{body},                  "sorry\n",            'the page';
    is $p->{row}{upstream_502},        1,                    'gateway response';
    is $p->{row}{upstream_502_origin}, 'nginx',              'origin';
    is $p->{row}{upstream_502_cause},  'connection_refused', 'cause';
    is $p->{row}{upstream_502_errno},  111,                  'errno';
    is $p->{row}{upstream_502_rescued}, '-',                 'not rescued';
    is_deeply causes($p), ['connection_refused'], 'one event';
    is $p->{gained}->( \'dead', 'responses', 502 ), 1,
      'one 502 of the upstream';
    is $p->{gained}->( 'totals', 'responses', 502 ),     1, 'one 502 in all';
    is $p->{gained}->( 'totals', 'origins',   'nginx' ), 1, 'made by nginx';
};

subtest 'error_page =200 rescues' => sub {
    my $p = play('/static200');
    is $p->{r}{status},                 200, 'client status';
    is $p->{row}{upstream_502},         '-', 'no gateway response';
    is $p->{row}{upstream_502_origin},  '-', 'no origin';
    is $p->{row}{upstream_502_rescued}, 1,   'rescued';
    is $p->{row}{upstream_502_cause},   'connection_refused', 'cause';
    ok $p->{events}[0]{rescued}, 'the event says rescued';
    is $p->{events}[0]{client_status}, 200, 'the event has the client status';
    is $p->{gained}->( 'totals', 'rescued' ),        1, 'one rescued';
    is $p->{gained}->( 'totals', 'responses', 502 ), 0, 'no 502';
};

for my $uri (qw(/named /uri)) {
    subtest "error_page to another upstream: $uri" => sub {
        my $p = play($uri);
        is $p->{r}{body}, 'fine', 'the other upstream answered';
        is $p->{row}{upstream_502_causes},   'connection_refused : -', 'causes';
        is $p->{row}{upstream_502_upstream}, 'dead', 'the upstream to blame';
        is $p->{row}{upstream_502_attempts}, 2,      'attempts';
        is $p->{row}{upstream_502_failures}, 1,      'failures';
        is $p->{row}{upstream_502_rescued},  1,      'rescued';
        is_deeply causes($p), ['connection_refused'], 'one event';
        is $p->{gained}->( \'dead', 'requests' ), 1, 'dead: requests';
        is $p->{gained}->( \'dead', 'failures' ), 1, 'dead: failures';
        is $p->{gained}->( \'good', 'requests' ), 1, 'good: requests';
        is $p->{gained}->( \'good', 'failures' ), 0, 'good: failures';
    };
}

# The second time, theirs is an upstream that is known.
for my $case (
    [ '/keeps',        502, 'nginx',    'connection_refused', 'dead' ],
    [ '/keeps-theirs', 502, 'upstream', 'error_status',       'theirs' ],
    [ '/keeps-theirs', 502, 'upstream', 'error_status',       'theirs' ],
    [ '/keeps-504',    504, 'nginx',    'read_timeout',       'hold' ],
    [ '/keeps-500',    500, 'nginx',    'internal_error',     'good' ],
  )
{
    my ( $uri, $status, $origin, $cause, $upstream ) = @$case;
    subtest "an error page of another upstream keeps the status: $uri" => sub {
        my $p = play($uri);
        is $p->{r}{status},                  $status,   'client status';
        is $p->{r}{body},                    'fine',    'with the page';
        is $p->{row}{upstream_502},          1,         'gateway response';
        is $p->{row}{upstream_502_origin},   $origin,   'origin';
        is $p->{row}{upstream_502_cause},    $cause,    'cause';
        is $p->{row}{upstream_502_upstream}, $upstream, 'the upstream to blame';
        is $p->{row}{upstream_502_rescued},  '-',       'not rescued';
        is $p->{gained}->( \$upstream, 'responses', $status ), 1,
          'its response';
        is $p->{gained}->( 'totals', 'origins', $origin ), 1, 'of this origin';
    };
}

subtest 'error_page to an upstream that fails too' => sub {
    my $p = play('/named-bad');
    is $p->{r}{status},               502,                     'client status';
    is $p->{row}{upstream_502_cause}, 'reset_before_response', 'last cause';
    is $p->{row}{upstream_502_errno}, 104,                     'its errno';
    is $p->{row}{upstream_502_upstream}, 'reset',              'its upstream';
    is $p->{row}{upstream_502_causes},
      'connection_refused : reset_before_response', 'causes';
    is $p->{row}{upstream_502_failures}, 2, 'failures';
    is_deeply [ map { $_->{upstream} } @{ $p->{events} } ],
      [ 'dead', 'reset' ], 'each event has its upstream';
    is_deeply [ map { $_->{attempt} } @{ $p->{events} } ], [ 1, 2 ],
      'attempts are counted through';
    is $p->{gained}->( 'totals', 'responses', 502 ), 1, 'one 502 in all';
};

subtest 'X-Accel-Redirect to a dead upstream' => sub {
    my $p = play('/accel');
    is $p->{r}{status},                502, 'client status';
    is $p->{row}{upstream_502_causes}, '- : connection_refused', 'causes';
    is $p->{row}{upstream_502_upstream},       'dead', 'the upstream to blame';
    is $p->{gained}->( \'accel', 'failures' ), 0,      'the first one did well';
};

subtest 'a location with if' => sub {
    my $p = play('/if?x=1');
    is $p->{row}{upstream_502_cause}, 'connection_refused', 'cause';
    is_deeply causes($p), ['connection_refused'], 'one event';
};

subtest 'variables in add_header' => sub {
    my $p = play('/add-header');
    is $p->{r}{headers}{'x-cause'},  'connection_refused', 'cause';
    is $p->{r}{headers}{'x-origin'}, 'nginx',              'origin';
};

subtest 'a client that went away is no failure' => sub {
    my $before = $t->status;
    my $had    = $t->farm->connections('hold');
    my $sent   = $t->send('/hold');
    $t->farm->wait_connections( 'hold', $had + 1 );
    close $sent->{socket};
    my $row = $t->row( $sent->{id} );
    is $row->{status},             499, 'logged status';
    is $row->{upstream_502},       '-', 'no gateway response';
    is $row->{upstream_502_cause}, '-', 'no cause';
    my $after = $t->status;
    is gained( $before, $after, \'hold', 'requests' ), 1, 'requests';
    is gained( $before, $after, \'hold', 'failures' ), 0, 'failures';
};

subtest 'a client that breaks off its upload' => sub {
    my $before = $t->status;
    my $had    = $t->farm->connections('hold');
    my $sent   = $t->send(
        '/upload',
        raw => "POST /upload HTTP/1.1\r\nHost: localhost\r\nX-Test: upload\r\n"
          . "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        id => 'upload'
    );
    $t->farm->wait_connections( 'hold', $had + 1 );
    syswrite $sent->{socket}, "no chunk\r\n";
    my $row = $t->row('upload');
    close $sent->{socket};
    is $row->{status},             400,                        'logged status';
    is $row->{upstream_502_cause}, '-',                        'no cause';
    is gained( $before, $t->status, 'totals', 'failures' ), 0, 'no failure';
};

subtest 'forty attempts' => sub {
    my $p = play('/forty');
    is $p->{r}{status},                  502, 'client status';
    is $p->{row}{upstream_502_attempts}, 40,  'attempts';
    is $p->{row}{upstream_502_failures}, 40,  'failures';
    is $p->{row}{upstream_502_causes},
      join( ', ', ('connection_refused') x 40 ), 'causes';
    is_deeply [ map { $_->{attempt} } @{ $p->{events} } ], [ 1 .. 40 ],
      'events';
    is_deeply [ map { $_->{peer} } @{ $p->{events} } ],
      [ split /, /, $p->{row}{upstream_addr} ], 'each with its peer';
    is $p->{gained}->( \'forty', 'failures' ), 40, 'all are counted';
    is $p->{gained}->( \'forty', 'requests' ), 1,  'for one request';
};

# Every other attempt fails without a line, and a header asks before the end.
subtest 'with and without a line, asked about under way' => sub {
    my $p = play('/mixed');
    is $p->{r}{status},                  200, 'client status';
    is $p->{r}{headers}{'x-failures'},   20,  'known under way';
    is $p->{row}{upstream_502_attempts}, 21,  'attempts';
    is $p->{row}{upstream_502_failures}, 20,  'failures';
    my @causes = split /, /, $p->{row}{upstream_502_causes};
    is pop @causes, '-', 'the last one is well';
    is_deeply [ sort @causes ],
      [ ('connection_refused') x 10, ('error_status') x 10 ], 'causes';
    is_deeply causes($p), \@causes, 'events, in order';
    is_deeply [ map { $_->{attempt} } @{ $p->{events} } ], [ 1 .. 20 ],
      'numbered';
    is $p->{gained}->( \'mixed', 'failures' ), 20, 'all are counted once';
    is $p->{gained}->( \'mixed', 'attempts' ), 21, 'with the good one';
};

subtest 'an error page that fails, again and again' => sub {
    my $p = play('/loop');
    is $p->{r}{status}, 500, 'nginx ends the cycle';
    my @causes = split / : /, $p->{row}{upstream_502_causes};
    is scalar @causes, $p->{row}{upstream_502_failures}, 'a cause for each run';
    is $p->{gained}->( \'dead', 'failures' ), scalar @causes, 'all are counted';
    is $p->{gained}->( 'totals', 'responses', 500 ),
      $p->{row}{upstream_502} eq '1' ? 1 : 0, 'the books balance';
};

subtest 'an intercepted 404 leads to a dead upstream' => sub {
    my $p = play('/not-found');
    is $p->{r}{status},                502, 'client status';
    is $p->{row}{upstream_502_causes}, '- : connection_refused', 'causes';
    is $p->{gained}->( \'missing', 'failures' ), 0, '404 is no failure';
};

subtest 'the error page of an invalid request' => sub {
    my $before = $t->status;
    my $sent   = $t->send(
        '/',
        raw => "GET / HTTP/1.1\r\nX-Test: invalid\r\n"
          . "Connection: close\r\n\r\n",
        port => $t->port('strict'),
        id   => 'invalid',
    );
    $t->read($sent);
    my $row = $t->row('invalid');
    is $row->{status},             502,                  'logged status';
    is $row->{upstream_502_cause}, 'connection_refused', 'cause';
    is $row->{upstream_502_errno}, 111,                  'errno';
    is gained( $before, $t->status, 'totals', 'responses', 502 ), 1, 'one 502';
};

subtest 'requests of one connection do not mix' => sub {
    my ( $socket, @rows );
    for my $uri (qw(/static /named /accel /ok-after /mirror /static)) {
        my $r = $t->get(
            $uri,
            keep => 1,
            defined $socket ? ( socket => $socket ) : ()
        );
        $socket = $r->{socket};
        push @rows, $t->row($r);
    }
    is_deeply [ map { $_->{upstream_502_causes} } @rows ],
      [
        'connection_refused',     'connection_refused : -',
        '- : connection_refused', '-',
        '-',                      'connection_refused'
      ],
      'causes';
    my $requests = join '',
      map { "GET $_ HTTP/1.1\r\nHost: localhost\r\nX-Test: piped$_\r\n\r\n" }
      qw(/static /sorry.html /named-bad);
    my $sent = $t->send( '/', raw => $requests );
    is $t->row('piped/static')->{upstream_502_causes}, 'connection_refused',
      'pipelined: first';
    is $t->row('piped/sorry.html')->{upstream_502_causes}, '-',
      'pipelined: second';
    is $t->row('piped/named-bad')->{upstream_502_causes},
      'connection_refused : reset_before_response', 'pipelined: third';
    close $sent->{socket};
};

$t->finish;
done_testing;
