#!/usr/bin/perl

# The status location: methods, access, formats, filters and headers.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http qw(request);
use Upstream502::Test qw(:DEFAULT decode_json);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream dead { server %%closed%%; }
upstream reset { server %%rst%%; }
limit_req_zone $server_name zone=once:1m rate=1r/m;
CONF
listen unix:%%DIR%%/http.sock;
set_real_ip_from 127.0.0.1;
real_ip_header X-From;
location = /dead { proxy_pass http://dead; }
location = /reset { proxy_pass http://reset; }
location = /plain { upstream_502_status; }
location = /html { upstream_502_status html; }
location = /json { upstream_502_status json; }
location = /text { upstream_502_status text; }
location = /metrics { upstream_502_status prometheus; }
location = /any { upstream_502_status access=any; }
location = /closed { upstream_502_status write=on; }
location = /etag {
    add_header ETag '"same"';
    add_header Last-Modified "Sun, 06 Nov 1994 08:49:37 GMT";
    upstream_502_status text;
}
location = /denied { deny all; upstream_502_status; }
location = /limited { limit_req zone=once; upstream_502_status; }
location = /returned { upstream_502_status; return 503; }
location = /paged { error_page 403 405 /refused; upstream_502_status; }
location = /refused { return 200 "a page of ours"; }
location = /asked { auth_request /plain; upstream_502_status; }
CONF2
$t->start;
$t->get('/dead')  for 1 .. 3;
$t->get('/reset') for 1 .. 2;

sub ask  ( $uri, @headers ) { return $t->get( $uri, headers => \@headers ) }
sub type ($r)               { return $r->{headers}{'content-type'} }

my %TYPE = (
    html        => qr{^text/html; charset=utf-8$}i,
    json        => qr{^application/json},
    text        => qr{^text/plain(?:; charset=utf-8)?$}i,
    prometheus  => qr{^text/plain; version=0\.0\.4},
    openmetrics => qr{^application/openmetrics-text; version=1\.0\.0},
);
my %BODY = (
    html        => qr/^\s*<!doctype html>/i,
    json        => qr/^\{.*\}\s*$/s,
    text        => qr/connection_refused/,
    prometheus  => qr/^# HELP nginx_upstream_502_/m,
    openmetrics => qr/# EOF\n\z/,
);

sub is_format ( $r, $format, $name ) {
    is $r->{status}, 200, "$name: status";
    like type($r),   $TYPE{$format}, "$name: type";
    like $r->{body}, $BODY{$format}, "$name: body";
    is $r->{headers}{'cache-control'},          'no-store', "$name: not cached";
    is $r->{headers}{'x-content-type-options'}, 'nosniff',  "$name: nosniff";
    ok $r->{complete}, "$name: whole";
    if ( $format eq 'html' ) {
        ok $r->{headers}{'content-security-policy'}, "$name: CSP";
    }
}

subtest 'the format is chosen' => sub {
    is_format( ask('/plain'), 'text', 'nothing asked' );
    for my $format (qw(html json text prometheus)) {
        is_format( ask("/plain?format=$format"), $format, "format=$format" );
    }
    is_format( ask('/html'),             'html',       'directive html' );
    is_format( ask('/json'),             'json',       'directive json' );
    is_format( ask('/text'),             'text',       'directive text' );
    is_format( ask('/metrics'),          'prometheus', 'directive prometheus' );
    is_format( ask('/json?format=html'), 'json', 'the directive is stronger' );
    my %accept = (
        'text/html,application/xhtml+xml,*/*;q=0.8'   => 'html',
        'application/json'                            => 'json',
        'application/openmetrics-text; version=1.0.0' => 'openmetrics',
        'text/plain;version=0.0.4'                    => 'prometheus',
        'text/plain; version=0.0.4; charset=utf-8'    => 'prometheus',
        'text/plain'                                  => 'text',
        '*/*'                                         => 'text',
        'application/json;q=0.1, text/html;q=0.9'     => 'html',
        'image/png'                                   => 'text',
    );
    for my $accept ( sort keys %accept ) {
        is_format( ask( '/plain', "Accept: $accept" ),
            $accept{$accept}, $accept );
    }
    is_format( ask( '/metrics', 'Accept: application/openmetrics-text' ),
        'openmetrics', 'metrics, as Prometheus asks' );
};

subtest 'methods' => sub {
    for my $format (qw(html json text prometheus)) {
        my $r = $t->request( "/plain?format=$format", method => 'HEAD' );
        is $r->{status}, 200, "HEAD $format";
        is $r->{body},   '',  'has no body';
        like type($r), $TYPE{$format}, 'but a type';
    }
    for my $method (qw(POST PUT PATCH OPTIONS DELETE)) {
        my $r = $t->request( '/plain', method => $method, body => '' );
        is $r->{status}, 405, "$method is not allowed";
    }
    is $t->request( '/closed', method => 'POST', body => '' )->{status}, 405,
      'POST is not even with write=on';
    is $t->status->{totals}{failures}, 5, 'nothing was reset by that';
};

subtest 'access' => sub {
    my @stranger = ('X-From: 192.0.2.7');
    is ask( '/plain', @stranger )->{status}, 403, 'a stranger may not look';
    is ask( '/any',   @stranger )->{status}, 200, 'unless access=any';
    is $t->request( '/closed', method => 'DELETE', headers => \@stranger )
      ->{status}, 403, 'or reset';
    is request( $t->dir . '/http.sock', uri => '/plain' )->{status}, 200,
      'a unix socket client is local';
    is ask( '/plain', 'X-From: ::1' )->{status},              200, 'so is ::1';
    is ask( '/plain', 'X-From: 127.9.9.9' )->{status},        200, 'and 127/8';
    is ask( '/plain', 'X-From: ::ffff:127.0.0.1' )->{status}, 200, 'mapped too';
};

subtest 'filters' => sub {
    my $events = sub ($arguments) { $t->status($arguments)->{events} };
    is scalar @{ $events->('') },                             5, 'all events';
    is scalar @{ $events->('limit=2') },                      2, 'limit';
    is scalar @{ $events->('upstream=dead') },                3, 'upstream';
    is scalar @{ $events->( 'peer=' . $t->address('rst') ) }, 2, 'peer';
    is scalar @{ $events->('cause=connection_refused') },     3, 'cause';
    is scalar @{ $events->('cause=connection_refused&upstream=reset') }, 0,
      'both';
    my $all = $events->('');
    is_deeply [ map { $_->{id} } @{ $events->("since=$all->[2]{id}") } ],
      [ map { $_->{id} } @$all[ 0, 1 ] ], 'since';
    is_deeply [ map { $_->{id} } @$all ],
      [ sort { $b <=> $a } map { $_->{id} } @$all ], 'newest first';
    my $status = $t->status('upstream=dead');
    is_deeply [ map { $_->{name} } @{ $status->{upstreams} } ], ['dead'],
      'upstreams are filtered';
    is $status->{totals}{failures}, 5, 'totals are not';

    for my $format (qw(text html prometheus)) {
        my $r =
          ask("/plain?format=$format&upstream=dead&cause=connection_refused");
        is $r->{status}, 200, "$format takes filters";
    }
    my $metrics = ask('/metrics?upstream=dead')->{body};
    like $metrics,   qr/\{upstream="dead"/,  'metrics of the upstream';
    unlike $metrics, qr/\{upstream="reset"/, 'and of no other';
    unlike ask('/text?upstream=dead')->{body}, qr/reset_before_response/,
      'text is filtered';
};

subtest 'bad arguments' => sub {
    my %bad = (
        'color=red'       => 'color',
        'format=xml'      => 'xml',
        'limit=many'      => 'limit',
        'limit=-1'        => 'limit',
        'since=yesterday' => 'since',
        'cause=bad_luck'  => 'bad_luck',
        'upstream=%zz'    => 'upstream',
    );
    for my $arguments ( sort keys %bad ) {
        my $r = ask("/plain?$arguments");
        is $r->{status}, 400, $arguments;
        like $r->{body}, qr/\A[^\n]*\Q$bad{$arguments}\E[^\n]*\n?\z/,
          'one line says which';
        is $r->{headers}{'cache-control'},          'no-store', 'not cached';
        is $r->{headers}{'x-content-type-options'}, 'nosniff',  'nosniff';
    }
};

sub is_safe ( $r, $status, $name ) {
    is $r->{status}, $status, "$name: status";
    for
      my $line ( 'Cache-Control: no-store', 'X-Content-Type-Options: nosniff' )
    {
        is scalar( grep { $_ eq $line } @{ $r->{lines} } ), 1, "$name: $line";
    }
    ok $r->{complete}, "$name: whole";
}

subtest 'headers of errors' => sub {
    my @stranger = ( headers => ['X-From: 192.0.2.7'] );
    is_safe( $t->request( '/plain', @stranger ), 403, 'a stranger' );
    is_safe( $t->request( '/plain', host => 'evil.example' ),
        403, 'a foreign name' );
    is_safe(
        $t->request(
            '/closed',
            method  => 'DELETE',
            headers => ['Origin: null']
        ),
        403,
        'a foreign page'
    );
    is_safe( ask('/plain?color=red'), 400, 'a bad argument' );
    is_safe( ask('/denied'),          403, 'denied by nginx' );
    is_safe( ask('/returned'),        503, 'returned by nginx' );
    is_safe( ask('/limited'),         200, 'within limits' );
    is_safe( ask('/limited'),         503, 'limited by nginx' );
    is_safe( $t->request( '/closed', method => 'DELETE' ), 204, 'a reset' );
    $t->get('/dead')  for 1 .. 3;
    $t->get('/reset') for 1 .. 2;
    is_safe(
        $t->request(
            '/plain',
            keep    => 1,
            headers => ['Content-Length: 99999999']
        ),
        413,
        'too large'
    );

    my $r = $t->request( '/plain', method => 'POST', body => 'x' );
    is_safe( $r, 405, 'a bad method' );
    is $r->{headers}{allow}, 'GET, HEAD', 'what is allowed';
    $r = $t->request( '/closed', method => 'PUT', body => 'x' );
    is_safe( $r, 405, 'a bad method with write=on' );
    is $r->{headers}{allow}, 'GET, HEAD, DELETE', 'and DELETE is too';

    for my $o ( \@stranger, [ host => 'evil.example' ] ) {
        $r = $t->request( '/plain', method => 'HEAD', @$o );
        is_safe( $r, 403, 'HEAD' );
        is $r->{body}, '', 'has no body';
    }
    is_safe( $t->request( '/plain?a=b', method => 'HEAD' ), 400, 'HEAD' );

    $r = $t->request( '/paged', method => 'PUT', body => 'x' );
    is_safe( $r, 405, 'an error_page' );
    is $r->{body},                  'a page of ours', 'is sent';
    is $r->{headers}{allow},        'GET, HEAD',      'with what is allowed';
    is $t->get('/asked')->{status}, 200,              'a subrequest';
};

subtest 'errors keep the connection' => sub {
    my $socket;
    for my $o (
        [ 403, '/plain',     headers => ['X-From: 192.0.2.7'], body => 'xyz' ],
        [ 403, '/plain',     host    => 'evil.example',        body => 'xyz' ],
        [ 405, '/plain',     method  => 'POST',                body => 'xyz' ],
        [ 400, '/plain?a=b', body    => 'xyz' ],
        [ 403, '/plain',     method  => 'HEAD', host => 'evil.example' ],
        [ 200, '/plain' ],
      )
    {
        my ( $status, $uri, @request ) = @$o;
        my $r = $t->request(
            $uri, @request,
            keep => 1,
            defined $socket ? ( socket => $socket ) : ()
        );
        $socket = $r->{socket};
        is $r->{status}, $status, "$status $uri";
    }
};

subtest 'no conditions and no ranges' => sub {
    my $long_ago = 'Sun, 06 Nov 1994 08:49:37 GMT';
    my $later    = 'Fri, 31 Dec 2100 23:59:59 GMT';
    for my $uri ( '/plain', '/etag', '/plain?a=b' ) {
        for my $header (
            "If-Modified-Since: $long_ago",
            "If-Modified-Since: $later",
            "If-Unmodified-Since: $long_ago",
            'If-Match: "other"',
            'If-Match: *',
            'If-None-Match: "same"',
            'If-None-Match: *',
          )
        {
            is ask( $uri, $header )->{status}, $uri =~ /a=b/ ? 400 : 200,
              "$uri, $header";
        }
    }
    for my $uri ( '/plain', '/etag', '/html', '/json' ) {
        for my $if ( '', 'If-Range: "same"', "If-Range: $long_ago" ) {
            my $r = ask( $uri, 'Range: bytes=0-3', length $if ? $if : () );
            is $r->{status},                   200,   "$uri: a range $if";
            is $r->{headers}{'accept-ranges'}, undef, 'is not offered';
            ok length $r->{body} > 100, 'all is there';
        }
    }
};

subtest 'the keys of the JSON' => sub {
    my $s = $t->status;
    is $s->{schema}, 1, 'schema';
    my %keys = (
        server => [
            qw(hostname nginx_version module_version pid time start_time
              load_time generation)
        ],
        zone   => [qw(name size peers peers_max events events_max overflow)],
        totals => [
            qw(requests attempts failures rescued responses origins causes
              history)
        ],
    );
    for my $part ( sort keys %keys ) {
        ok exists $s->{$part}{$_}, "$part.$_" for @{ $keys{$part} };
    }
    is_deeply [ sort keys %{ $s->{totals}{responses} } ], [ 500, 502, 504 ],
      'totals.responses';
    is_deeply [ sort keys %{ $s->{totals}{origins} } ],
      [qw(cache config nginx upstream)], 'totals.origins';
    my $dead = $t->upstream( 'dead', $s );
    ok exists $dead->{$_}, "upstream.$_"
      for qw(name protocol requests attempts failures rescued responses causes
      errno_classes history time_to_failure peers);
    is $dead->{protocol}, 'http', 'protocol';
    is_deeply $dead->{causes},        { connection_refused => 3 }, 'causes';
    is_deeply $dead->{errno_classes}, { refused => 3 }, 'errno classes';
    is scalar @{ $dead->{history}{failures} }, 60, 'an hour of history';
    my $recent = 0;
    $recent += $_ for @{ $dead->{history}{failures} };
    is $recent,                         3, 'with all failures in it';
    is $dead->{time_to_failure}{count}, 3, 'time to failure';
    my $peer = $dead->{peers}[0];
    is $peer->{addr}, $t->address('closed'), 'peer address';
    ok exists $peer->{$_}, "peer.$_"
      for qw(attempts failures causes errno_classes first_failure last_failure
      last_cause last_success);
    is $peer->{last_cause},   'connection_refused', 'its last cause';
    is $peer->{last_success}, undef,                'it never did well';
    ok $peer->{last_failure} / 1000 > time - 3600, 'times are Unix ms';
    ok exists $s->{events}[0]{$_}, "event.$_"
      for qw(id time upstream peer protocol cause phase errno errno_name
      errno_class attempt attempts status client_status rescued
      received_status connect_time header_time response_time bytes_sent
      bytes_received reused method host uri request_id message);
    my ($diagnosis) = grep { $_->{upstream} eq 'dead' } @{ $s->{diagnoses} };
    ok $diagnosis, 'dead has a diagnosis';
    is $diagnosis->{pattern},  'outage', 'an outage';
    is $diagnosis->{severity}, 'outage', 'and it says so';
    my $port = $t->port('closed');
    ok( ( grep { /$port/ } @{ $diagnosis->{checks} } ),
        'its checks name the port' );
};

subtest 'DELETE takes no arguments' => sub {
    for my $arguments (qw(upstream=dead bogus=1)) {
        my $r = $t->request( "/closed?$arguments", method => 'DELETE' );
        is $r->{status}, 400, $arguments;
        like $r->{body}, qr/takes no arguments/, 'and says why';
    }
    cmp_ok $t->status->{totals}{failures}, '>', 0, 'nothing is reset';
};

subtest 'DELETE resets' => sub {
    my $r = $t->request( '/closed', method => 'DELETE' );
    is $r->{status}, 204, 'status';
    my $s = $t->status;
    is $s->{totals}{$_}, 0, "no $_" for qw(requests attempts failures);
    is_deeply $s->{events},    [], 'no events';
    is_deeply $s->{diagnoses}, [], 'no diagnoses';
    $t->get('/dead');
    $s = $t->status;
    is $s->{totals}{failures},           1, 'counting goes on';
    is scalar @{ $s->{events} },         1, 'so do events';
    is $t->upstream('dead')->{failures}, 1, 'of the upstream too';
};

subtest 'promtool accepts the metrics' => sub {
    plan
      skip_all => 'promtool is not installed'
      if !grep { -x "$_/promtool" } split /:/,
      $ENV{PATH};
    for my $accept ( 'text/plain', 'application/openmetrics-text' ) {
        my $r = ask( '/metrics', "Accept: $accept" );
        $t->write( 'metrics.txt', '' );
        open my $file, '>', $t->dir . '/metrics.txt';
        print $file $r->{body} =~ s/# EOF\n\z//r;
        close $file;
        next if $accept ne 'text/plain';
        my $said = qx(promtool check metrics <@{[ $t->dir ]}/metrics.txt 2>&1);
        is $?, 0, "valid as $accept" or diag $said;
    }
};

$t->finish;
done_testing;
