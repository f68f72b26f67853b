#!/usr/bin/perl

# Those who follow: each failure and incident reaches them as it comes, in the
# format and with the filters that they ask for.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Raw::Zlib qw(WANT_GZIP);
use Test::More;
use Time::HiRes qw(sleep time);
use Upstream502::Followed;
use Upstream502::H2;
use Upstream502::Test;
use Upstream502::Wire;

my $EVENTS = 'Accept: text/event-stream';

my ( $t, $clock, $conf ) = Upstream502::Followed->start( <<'CONF' );
location /page { ssi on; proxy_pass http://%%page%%; }
location = /checked { auth_request /follow; proxy_pass http://app; }
location = /follow { set $args follow; upstream_502_status; }
location = /gzip { gzip on; gzip_types *; gzip_min_length 0;
    upstream_502_status; }
location = /limited { limit_rate 4k; upstream_502_status; }
location = /html { upstream_502_status html; }
location = /text { upstream_502_status text; }
location = /json { upstream_502_status json; }
location = /metrics { upstream_502_status prometheus; }
CONF
$t->tcp(
    page => [
        'read',
        [
            write => http_ok(
                'a<!--# include virtual="/status?follow" -->b',
                'Content-Type: text/html'
            )
        ],
        'close'
    ]
);
$t->conf(%$conf);
$t->start;

subtest 'text' => sub {
    ask( '/app/before', 2 );
    my $f = follow();
    $f->until( 'what was before', sub { /event 2$/m } );
    my $head = $f->head;
    is $head->{status}, 200, 'at once';
    is $head->{headers}{'content-type'}, 'text/plain; charset=utf-8', 'text';
    is $head->{headers}{'cache-control'},     'no-store', 'no cache keeps it';
    is $head->{headers}{'x-accel-buffering'}, 'no', 'no proxy holds it back';
    like $f->body, qr/\Atime \(UTC\) .*\n\n\d\d-\d\d .*connection_refused/,
      'as in the report';
    ask('/app/now');
    $f->until( 'a failure', sub { m{^    GET localhost/app/now$}m } );
    $f->until( 'an incident',
        sub { /^incident #1 app  open since .*, 3 failures, 3 x 502$/m } );
    my $longest = ( sort { $b <=> $a } map { length } split /\n/, $f->body )[0];
    cmp_ok $longest, '<=', 100, 'no line is wider than the report';
    ask('/search/now');
    $f->until( 'another', sub { m{GET localhost/search/now} } );
    $f->leave;
};

subtest 'JSON' => sub {
    start_afresh();
    ask( '/app/before', 12 );
    my $f = follow('format=json');
    my @before = $f->wait( failure => 10 );
    is $f->head->{headers}{'content-type'}, 'application/x-ndjson', 'type';
    my ($first) = $f->objects;
    is $first->{type}, 'alive', 'it begins with the time';
    ok abs( $first->{time} / 1000 - time - $clock->ahead ) < 10, 'which is now';
    my ($incident) = $f->objects('incident');
    is $incident->{state}, 'open', 'then incidents that are open';
    my $status = $t->status('limit=10');
    my @known = reverse @{ $status->{events} };
    is_deeply [ map { { %$_, type => undef } } @before ],
      [ map { { %$_, type => undef } } @known ],
      'then the last ten failures, as in the status';
    ask('/search/x');
    my $new = ( $f->wait( failure => 11 ) )[-1];
    is $new->{uri}, '/search/x', 'then what comes';
    is $new->{upstream}, 'search', 'of any upstream';
    ask( '/search/x', 2 );
    my $opened = ( $f->wait( incident => 2 ) )[-1];
    is $opened->{upstream}, 'search', 'an incident opens';
    is $opened->{state}, 'open', 'open';
    my ($listed) = grep { $_->{id} == $opened->{id} } @{ $t->status->{incidents} };
    is_deeply [ map { [ @$_{qw(name count)} ] } @{ $opened->{findings} } ],
      [ map { [ @$_{qw(name count)} ] } @{ $listed->{findings} } ],
      'with what was seen, as in the status';
    $clock->forward(301);
    my ($over) = grep { $_->{state} eq 'over' && $_->{upstream} eq 'search' }
      $f->wait( incident => 4 );
    is $over->{id}, $opened->{id}, 'and is over';
    is $over->{failures}, 3, 'with its failures';
    $f->leave;
};

subtest 'server-sent events' => sub {
    start_afresh();
    my $f = follow( '', headers => [$EVENTS] );
    $f->until( 'a beginning', sub { /\n\n.*\n\n/s } );
    is $f->head->{headers}{'content-type'}, 'text/event-stream', 'type';
    like $f->body, qr/\Aretry: 2000\n\nevent: alive\ndata: \{.*\}\n\n\z/,
      'it says how to come back, and that it is there';
    ask( '/app/x', 3 );
    $f->wait( incident => 1 );
    my @ids = map { $_->{id} } @{ $t->status->{events} };
    my $json = qr/data: \{"type":"(\w+)",.*\}\n\n/;
    is_deeply [ $f->body =~ /^id: (\d+)\nevent: failure\n$json/mg ],
      [ map { $_ => 'failure' } sort { $a <=> $b } @ids ],
      'failures have their ids';
    like $f->body, qr/\n\nevent: incident\n$json/, 'incidents have none';
    $f->leave;
};

subtest 'goes on where it ended' => sub {
    start_afresh();
    ask( '/app/x', 20 );
    my @ids = sort { $a <=> $b } map { $_->{id} } @{ $t->status->{events} };
    my $check = sub ( $from, $name, %o ) {
        my @known = sort { $a <=> $b } map { $_->{id} } @{ $t->status->{events} };
        my $f = follow( 'format=json&' . ( delete $o{args} // '' ), %o );
        ask('/search/last');
        $f->until( 'the last',
            sub { grep { $_ > $known[-1] } /"failure","id":(\d+),.*\n/g } );
        my @got = grep { $_ <= $known[-1] } map { $_->{id} } $f->objects('failure');
        is_deeply \@got, [ @known[ $from .. $#known ] ], $name;
        is scalar $f->objects('left_out'), 0, 'nothing is left out';
        $f->leave;
    };
    my $header = sub ($value) { return headers => ["Last-Event-ID: $value"] };
    $check->( 5, 'by header, all behind it', $header->( $ids[4] ) );
    $check->( 10, 'by argument', args => "since=$ids[9]" );
    $check->( 0, 'all', args => 'since=0' );
    $check->( 18, 'what it had last counts',
        args => "since=$ids[9]", $header->( $ids[17] ) );
    $check->( @ids + 2, 'no more than wanted',
        args => 'limit=2', $header->( $ids[4] ) );
    $check->( @ids + 6, 'nothing of before', args => 'limit=0' );

    for my $hostile ( '', 'x', '-1', '1e3', '18446744073709551615',
        '99999999999999999999999', "\xff\xfe", '1 2', '0x10', 'a' x 4000 )
    {
        my $f = follow( 'format=json', $header->($hostile) );
        is scalar $f->wait( failure => 10 ), 10,
          'as one who begins: ' . substr $hostile =~ s/[^ -~]/?/gr, 0, 20;
        $f->leave;
    }
};

subtest 'filters' => sub {
    start_afresh();
    my %want = (
        'upstream=search' => '/search', 'cause=connection_refused' => '/app',
        'finding=port_closed' => '/app',
        'peer=' . $t->address('rst') => '/search',
    );
    my %f = map { $_ => follow("format=json&$_") } sort keys %want;
    $_->wait('alive') for values %f;
    ask( '/app/1', 3 );
    ask( '/search/1', 3 );
    ask( '/app/2' );
    ask( '/search/2');
    for my $filter ( sort keys %want ) {
        my @failures = $f{$filter}->wait( failure => 4 );
        is scalar( grep { $_->{uri} =~ m{^$want{$filter}/} } @failures ), 4,
          $filter;
        my @incidents = $f{$filter}->wait( incident => 1 );
        is scalar @incidents, 1, 'and its incident';
        $f{$filter}->leave;
    }
    my ($incident) = grep { $_->{upstream} eq 'app' } @{ $t->status->{incidents} };
    my $f = follow("format=json&incident=$incident->{id}");
    my @of = $f->wait( failure => 4 );
    is_deeply [ map { $_->{upstream} } @of ], [ ('app') x 4 ], 'of one incident';
    $f->leave;
};

subtest 'silence' => sub {
    start_afresh();
    my %f = (
        text => follow('limit=0'), json => follow('format=json'),
        events => follow( '', headers => [$EVENTS] ) );
    $f{text}->until( 'a beginning', sub { length } );
    $f{$_}->wait('alive') for qw(json events);
    $clock->forward(14);
    ask('/app/w');
    $f{$_}->wait('failure') for qw(json events);
    $f{text}->until( 'a failure', sub { m{/app/w} } );
    unlike $f{text}->body, qr/nothing new/, 'not yet';
    $clock->forward(15);
    $f{text}->until( 'a sign of life',
        sub { /^-- \d\d-\d\d \d\d:\d\d:\d\d  nothing new for 1[56]s$/m } );
    is scalar $f{$_}->wait( alive => 2 ), 2, $_ for qw(json events);
    like $f{events}->body, qr/\n\nevent: alive\ndata: \{.*\}\n\n\z/, 'an event';
    ask('/app/x');
    $f{json}->wait( failure => 2 );
    $clock->forward(15);
    $f{json}->wait( alive => 3 );
    $f{text}->until( 'another',
        sub { /-- .*  nothing new for 1[56]s\n\z/m } );
    pass 'counted from the last failure';
    $clock->forward(-7200);
    is scalar $f{json}->wait( alive => 4 ), 4, 'a clock that is set back';
    ask('/app/y');
    $f{json}->wait( failure => 3 );
    $_->leave for values %f;
    $clock->forward(7200);
};

subtest 'what cannot be followed' => sub {
    my %refused = (
        '/status?follow&format=html' =>
          'invalid value "html" of argument "format", must be json or text with follow',
        '/status?format=prometheus&follow' =>
          'invalid value "prometheus" of argument "format", must be json or text with follow',
        '/status?follow=yes' =>
          'invalid value "yes" of argument "follow", must be empty or 1',
        '/status?follow&follow' => 'duplicate argument "follow"',
        '/html?follow' =>
          'this location answers in a format that cannot be followed',
        '/metrics?follow' =>
          'this location answers in a format that cannot be followed',
    );
    for my $uri ( sort keys %refused ) {
        my $r = $t->get($uri);
        is $r->{status}, 400, $uri;
        is $r->{body}, "$refused{$uri}\n", 'why';
    }
    is $t->get('/page')->{body},
      "afollow has no end: it cannot be a part of a page\nb", 'as part of a page';
    is $t->get('/checked')->{status}, 500, 'nor a check of another request';
    for my $uri (qw(/status?follow /gzip?follow)) {
        my $r = $t->request( $uri, method => 'HEAD' );
        is $r->{status}, 200, "HEAD $uri";
        is $r->{body}, '', 'no body';
    }
    my $r = $t->get( '/status?follow', host => 'evil.example' );
    is $r->{status}, 403, 'of an unknown host';
    is $t->post('/status?follow')->{status}, 405, 'POST';
    wait_for 'nobody', sub { $t->at_work == 0 };
};

subtest 'by directive' => sub {
    start_afresh();
    my %type = (
        text => 'text/plain; charset=utf-8', json => 'application/x-ndjson',
        html => 'text/event-stream' );
    for my $location ( sort keys %type ) {
        my $f = follow( '', location => "/$location",
            headers => [ $location eq 'json' ? () : $EVENTS ] );
        $f->until( 'a beginning', sub { length } );
        is $f->head->{headers}{'content-type'}, $type{$location}, $location;
        $f->leave;
    }
};

subtest 'compressed, limited, old, HTTP/2' => sub {
    start_afresh();
    my $gzip = follow( 'format=json', location => '/gzip',
        headers => ['Accept-Encoding: gzip'] );
    my $plain = sub {
        $gzip->take(0.1);
        my $z = Compress::Raw::Zlib::Inflate->new( -WindowBits => WANT_GZIP );
        my $bytes = $gzip->body;
        $z->inflate( $bytes, my $text );
        return $text;
    };
    wait_for 'a beginning', sub { $plain->() =~ /"alive"/ };
    is $gzip->head->{headers}{'content-encoding'}, 'gzip', 'compressed';
    my $limited = follow( 'format=json', location => '/limited' );
    $limited->wait('alive');
    my $old = follow( '', raw => "GET /status?follow HTTP/1.0\r\n\r\n" );
    $old->until( 'a beginning', sub { length } );
    my $h2 = Upstream502::H2->new( $t->port('h2') );
    $h2->send( $_, '/status?follow&format=json' ) for 1, 3;
    my $h2_body = sub {
        $h2->take;
        return $h2->{streams}{1}{body} // '';
    };
    wait_for 'a beginning over HTTP/2', sub { $h2_body->() =~ /"alive"/ };
    ask('/app/shown');
    ok wait_for( 'it', sub { $plain->() =~ /shown/ } ), 'is not held back';
    ok $limited->wait('failure'), 'comes at a limited rate';
    ok $old->until( 'it', sub { /shown/ } ), 'over HTTP/1.0';
    ok wait_for( 'it', sub { $h2_body->() =~ /shown/ } ), 'over HTTP/2';
    ask( '/app/more', 30 );
    $limited->wait( failure => 5 );
    $_->leave for $gzip, $limited, $old;
    $h2->cancel(1);
    wait_for 'the end of a stream', sub { $t->at_work == 1 };
    close $h2->{socket};
    wait_for 'the end of all', sub { $t->at_work == 0 };
};

$t->finish;
done_testing;
