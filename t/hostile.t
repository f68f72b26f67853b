#!/usr/bin/perl

# Whatever clients and backends send, JSON stays JSON, text stays text, and
# markup stays harmless.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;
use Upstream502::Test qw(:DEFAULT decode_json);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->tcp(
    evil => [
        'read',
        [
            write =>
              "HTTP/1.1 200 OK\r\n<script>\"\\\xff\xfe </script>: x\r\n\r\n"
        ],
        'close'
    ]
);
$t->tcp(
    stderr => [
        'read_some',
        [
            write => fcgi( 7, "</script>\"\\\x01\xc3\x28 PHP\nFatal" )
              . fcgi( 6, '' )
        ],
        'hold'
    ]
);
$t->conf(
    http => q(large_client_header_buffers 4 64k;
        upstream 'we"ird\{name}' { server 127.0.0.1:%%PORT_nobody%%; }),
    server => <<'CONF' );
upstream_502_record_uri full;
location / { proxy_pass http://%%rst%%; }
location /evil { proxy_pass http://%%evil%%; }
location = /open { proxy_pass http://$http_x_target; }
location = /weird { set $weird 'we"ird\{name}'; proxy_pass http://$weird; }
location /stderr { fastcgi_pass %%stderr%%; fastcgi_catch_stderr PHP; }
CONF
$t->start;

my %uris = (
    'invalid UTF-8'          => "/\xff\xfe\xc3\x28",
    'half a character'       => "/a\xe2\x82",
    'an overlong character'  => "/\xc0\xaf",
    'a surrogate'            => "/\xed\xa0\x80",
    'an escaped newline'     => '/a%0ab%0d%0aX-Injected:%20y',
    'an escaped NUL'         => '/a%00b',
    'quotes and backslashes' => q{/"'\\"\\\\},
    'markup'                 => '/<script>alert(1)</script>?x="><img src=x>',
    'an escape sequence'     => '/%1b[31mred',
    'percent signs'          => '/%25s%25n%25V?x=%s%n%V',
    'commas and colons'      => '/a,b:c;d=e',
    'DEL and C1'             => "/\x7f\xc2\x85",
    'a very long path'       => '/' . 'x' x 20_000,
    'long, ending in UTF-8'  => '/' . "\xe2\x82\xac" x 4000,
    'long, escaped'          => '/' . '%22' x 6000,
    'a long query'           => '/?' . 'q' x 30_000,
);
my %hosts = (
    'a quote'       => 'a"b',
    'invalid UTF-8' => "h\xff\xfe",
    'markup'        => '<b>',
    'a long host'   => join( '.', ( 'x' x 60 ) x 100 ),
    'a backslash'   => 'a\\b',
);

# The object of a line is valid JSON on one line; the request may be refused
# by nginx itself, which is as good.
sub check ( $name, $uri, $host ) {
    subtest $name => sub {
        my $r = $t->get( $uri, host => $host );
        ok $r->{status} =~ /^(?:502|400)$/, "answered with $r->{status}";
        return if $r->{status} == 400;
        my $object = eval { $t->object($r) };
        is ref $object,      'HASH', '$upstream_502_json is valid' or diag $@;
        is $object->{cause}, 'reset_before_response', 'with the cause';
        my $status = eval { $t->status('limit=1') };
        is ref $status, 'HASH', 'the status is valid' or diag $@;
        my $event = $status->{events}[0];
        is $event->{cause}, 'reset_before_response', 'with the event';
        ok length $event->{uri} > 0 || $uri =~ /^.$/, 'and its uri';
    };
}

check( "URI: $_",  $uris{$_}, 'localhost' ) for sort keys %uris;
check( "host: $_", '/',       $hosts{$_} )  for sort keys %hosts;

subtest 'hostile bytes from the backend' => sub {
    for my $uri (qw(/evil /stderr)) {
        my $r      = $t->get($uri);
        my $row    = $t->row($r);
        my $object = eval { $t->object($r) };
        is ref $object, 'HASH', "$uri: \$upstream_502_json is valid" or diag $@;
        ok length $object->{message}, 'with the message';
        my $status = eval { $t->status('limit=1') };
        is ref $status, 'HASH', 'the status is valid' or diag $@;
    }
};

# Whoever lets clients choose the target gets their bytes as upstream names.
subtest 'names of upstreams' => sub {
    my @names = (
        'a"b\\c',    '<script>evil</script>',
        "x\xff\xfe", "tab\there",
        'a=b,c={d}', 'n' x 3000,
        'n' x 3000 . 'x',
    );
    my $before = $t->status->{totals}{failures};
    for my $name (@names) {
        my $r = $t->get( '/open', headers => ["X-Target: $name"] );
        ok $r->{status} =~ /^50[02]$/, 'answered';
        ok !$t->object($r) || 1,       'the object is valid';
    }
    my $status = eval { $t->status('limit=1000') };
    is ref $status,                 'HASH', 'the status is valid' or diag $@;
    is $status->{totals}{failures}, $before + @names, 'all are counted';
    is $t->get('/weird')->{status}, 502, 'a name from the configuration';
    ok $t->upstream('we"ird\\{name}'), 'is listed as it is';
    my $metrics = $t->get('/status?format=prometheus')->{body};
    like $metrics, qr/upstream="we\\"ird\\\\\{name\}"/,
      'and escaped in a label';

    for my $line ( grep { /^nginx/ } split /\n/, $metrics ) {
        $line =~ /^\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? [\d.e+-]+$/
          or fail "a line of the metrics: $line";
    }
};

subtest 'the page and the text' => sub {
    my $html = $t->get('/status?format=html&limit=1000')->{body};
    unlike $html, qr/<script>alert\(1\)/, 'no markup from a URI';
    unlike $html, qr/<script>evil/,       'nor from a name';
    unlike $html, qr/<img src=x>/,        'nor from a query';
    ok utf8::decode( my $copy = $html ), 'the page is UTF-8';
    my $text = $t->get('/status?format=text&limit=1000')->{body};
    ok utf8::decode( $copy = $text ), 'the text is UTF-8';
    unlike $text, qr/[\x00-\x08\x0b-\x1f\x7f]/, 'without control characters';
    my $metrics = $t->get('/status?format=prometheus')->{body};
    unlike $metrics, qr/alert|Injected|xxxx/,
      'no label holds what a client sent';
};

subtest 'a message is no format' => sub {
    my ($event) =
      grep { ( $_->{uri} // '' ) =~ /%s%n%V/ }
      @{ $t->status('limit=1000')->{events} };
    ok $event, 'percent signs are kept as they came';
};

$t->finish;
done_testing;
