#!/usr/bin/perl

# What is set in the location that asked the upstream holds, wherever error_page
# or X-Accel-Redirect led the request then.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
$t->tcp(
    away => [
        'read',
        [ write => http_status( 200, 'x', 'X-Accel-Redirect: /page' ) ],
        'close'
    ]
);
$t->conf( http => <<'CONF', server => <<'CONF2' );
map $host $nothing { default ""; }
map $host $rst     { default "%%rst%%"; }
map $host $away    { default "%%away%%"; }
CONF
location = /page { return 200 "sorry"; }
location @full { upstream_502_record_uri full; return 200 "sorry"; }
location @off { upstream_502_record_uri off; proxy_pass http://%%rst%%; }
location @quoting { upstream_502_record_uri full;
    proxy_pass http://$nothing$request_uri; }
location @ok { proxy_pass http://%%ok%%; }

location = /uri/off { upstream_502_record_uri off; error_page 502 /page;
    proxy_pass http://%%rst%%; }
location = /uri/path { error_page 502 = @full; proxy_pass http://%%rst%%; }
location = /uri/full { upstream_502_record_uri full; error_page 502 /page;
    proxy_pass http://%%rst%%; }
location = /uri/strictest { recursive_error_pages on; error_page 502 = @off;
    proxy_pass http://%%rst%%; }

location = /text/first { upstream_502_record_uri full; error_page 500 = @off;
    proxy_pass http://$nothing$request_uri; }
location = /text/then { upstream_502_record_uri off; error_page 502 = @quoting;
    proxy_pass http://%%rst%%; }
location = /text { proxy_pass http://$nothing$request_uri; }
location = /text/off { upstream_502_record_uri off;
    proxy_pass http://$nothing$request_uri; }
location = /text/full { upstream_502_record_uri full;
    proxy_pass http://$nothing$request_uri; }

location /uncounted {
    upstream_502 off;
    error_page 502 /page;
    location = /uncounted/fixed { proxy_pass http://%%rst%%; }
    location = /uncounted/variable { proxy_pass http://$rst; }
    location = /uncounted/bad { error_page 500 /page; proxy_pass $arg_u; }
    location = /uncounted/redirected { proxy_pass http://$away; }
}
location = /counted { error_page 502 /uncounted-page; proxy_pass http://%%rst%%; }
location = /uncounted-page { upstream_502 off; return 200 "sorry"; }

location = /bad/upstream { error_page 500 = @ok; proxy_pass $arg_u; }
location = /bad/page { error_page 500 =200 /page; proxy_pass $arg_u; }
location = /last { error_page 502 = @name; proxy_pass http://%%rst%%; }
location @name { proxy_pass http://$arg_h; }
location = /name { error_page 502 = @ok; proxy_pass http://$arg_h; }
location = /named { upstream_502_proxy_status edge; proxy_pass http://%%rst%%; }
CONF2
$t->start;

sub newest_event () { return $t->status('limit=1')->{events}[0] }

subtest 'upstream_502_record_uri' => sub {
    for my $case (
        [ '/uri/off?s=1',       undef ],
        [ '/uri/path?s=1',      '/uri/path' ],
        [ '/uri/full?s=1',      '/uri/full?s=1' ],
        [ '/uri/strictest?s=1', undef ],
      )
    {
        my ( $uri, $recorded ) = @$case;
        my $r = $t->get($uri);
        $t->row($r);
        is newest_event()->{uri}, $recorded, "the event of $uri";
        is $t->object($r)->{uri}, $recorded, 'and its object';
    }
    is_deeply [ map { $_->{uri} } @{ $t->status('limit=2')->{events} } ],
      [ undef, undef ], 'of two failures none tells what one may not';
};

subtest 'a URL that nginx quotes' => sub {
    for my $case (
        [ '/text?s=1',      'no host in upstream "/text?..."' ],
        [ '/text/off?s=1',  'no host in upstream "/..."' ],
        [ '/text/full?s=1', 'no host in upstream "/text/full?s=1"' ],
      )
    {
        my ( $uri, $text ) = @$case;
        my $r = $t->get($uri);
        is $t->row($r)->{upstream_502_message}, $text, "the message of $uri";
        is newest_event()->{message},           $text, 'and in its event';
        is $t->object($r)->{message},           $text, 'and in its object';
    }
};

subtest 'a URL that is quoted beside a location that tells less' => sub {
    for my $uri (qw(/text/first /text/then)) {
        $t->row( $t->get("$uri?s=1") );
        is_deeply [ map { $_->{uri} } @{ $t->status('limit=2')->{events} } ],
          [ undef, undef ], "the events of $uri";
        my ($message) = grep { /no host/ }
          map { $_->{message} } @{ $t->status('limit=2')->{events} };
        is $message, 'no host in upstream "/..."', 'and the message';
    }
};

subtest 'upstream_502 off' => sub {
    for my $uri (qw(/uncounted/fixed /uncounted/variable)) {
        my $before = $t->status;
        my $r      = $t->get($uri);
        my $row    = $t->row($r);
        my $after  = $t->status;
        is $r->{status},         502, "$uri: client status";
        is $row->{upstream_502}, '-', 'no variable';
        is gained( $before, $after, 'totals', $_ ), 0, "no $_"
          for qw(requests attempts failures);
        is gained( $before, $after, 'totals', 'responses', 502 ), 0, 'no 502';
        is $after->{events}[0]{id}, $before->{events}[0]{id},        'no event';
    }
    my $before = $t->status;
    $t->row( $t->get($_) ) for qw(/uncounted/redirected /uncounted/bad?u=x);
    is gained( $before, $t->status, 'totals', 'requests' ), 0,
      'no request where X-Accel-Redirect or a page ends it';
    is $t->row( $t->get('/counted') )->{upstream_502_cause},
      'reset_before_response', 'an uncounted page hides nothing';
};

subtest 'a URL that is none' => sub {
    for my $case ( [ '/bad/upstream', 'ok' ], [ '/bad/page', 'sorry' ] ) {
        my ( $uri, $body ) = @$case;
        my $r   = $t->get("$uri?u=x");
        my $row = $t->row($r);
        is $r->{status},                    200,              "$uri: rescued";
        is $row->{upstream_502_rescued},    1,                'which it says';
        is $row->{upstream_502_cause},      'internal_error', 'and the cause';
        is newest_event()->{upstream}, "(localhost $uri)", 'who asked';
    }
    my ($page) = grep { $_->{name} eq '(localhost /page)' }
      @{ $t->status->{upstreams} };
    is $page, undef, 'the page asked nobody';
};

subtest '$upstream_502_causes of a run without an attempt' => sub {
    my $row = $t->row( $t->get('/name?h=a.example') );
    is $row->{upstream_502_causes}, 'resolver_missing, -',
      'as $upstream_status: -, 200';
    $row = $t->row( $t->get('/last?h=a.example') );
    is $row->{upstream_502_causes}, 'reset_before_response : resolver_missing',
      'also behind an attempt';
};

subtest '$upstream_502_proxy_status' => sub {
    my $r = $t->get('/named');
    my ($header) = map { /^Proxy-Status:\s*(.*)/i ? $1 : () } @{ $r->{lines} };
    is $t->row($r)->{upstream_502_proxy_status}, $header, 'is the field';
};

$t->finish;
done_testing;
