#!/usr/bin/perl

# Variables go into response headers and logs, where a line break ends a field
# and begins what somebody else has written. Every variable there is, with
# hostile bytes from backends, clients and the configuration.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode ();
use Test::More;
use Upstream502::Nginx ();
use Upstream502::Test  qw(:DEFAULT decode_json);
use Upstream502::Wire;

use constant {
    TEXT_MAX   => 2048,
    JSON_MAX   => 100_000,    # eight texts, six bytes for one at the worst
    STATUS_MAX => 5000,
};

# What splits a response where it gets through.
my $SPLIT = "\r\nX-Injected: 1\r\n\r\n<b>injected</b>";
my $BYTES = "\x1b[31m\0\x01\x7f\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\xff\xc3(";

# From the module's own table, so that none is forgotten.
sub variables () {
    my $source =
      Upstream502::Nginx::slurp("$FindBin::Bin/../src/nginx/variables.cc");
    my %seen;
    return grep { !$seen{$_}++ } $source =~ /"(upstream_502\w*)"/g;
}

my @variables = variables();

sub grpc_header ($value) {
    return h2_settings()
      . h2_headers( "\x88" . pack 'C C/a C/a', 0, 'x-evil', $value );
}

sub fcgi_stderr ($text) { return fcgi( 7, $text ) . fcgi( 6, '' ) }

# name => [directive with its backend, what the backend writes]
my %backends = (
    grpc_split => [ 'grpc_pass grpc://', grpc_header("a$SPLIT") ],
    grpc_bytes => [ 'grpc_pass grpc://', grpc_header("a\n$BYTES") ],
    fcgi_split => [ 'fastcgi_pass ',     fcgi_stderr("PHP$SPLIT") ],
    fcgi_bytes => [ 'fastcgi_pass ',     fcgi_stderr("PHP$BYTES") ],
    fcgi_long  =>
      [ 'fastcgi_pass ', fcgi_stderr( 'PHP' . "$SPLIT\xe2\x82\xac" x 200 ) ],
    http_bytes => [
        'proxy_pass http://',
        "HTTP/1.1 200 OK\r\nX\xff\xc3(\xc2\x9b\xe2\x80\xae$BYTES: x\r\n\r\n"
    ],
    http_long => [
        'proxy_pass http://',
        "HTTP/1.1 200 OK\r\n" . "\xc2\x9b\xff\"\\" x 1000 . "\0: x\r\n\r\n"
    ],
    fcgi_status => [
        'fastcgi_pass ',
        fcgi( 6, "Status: \x1b[31m\x7f\xc2\x9b\xff\r\n\r\n" ) . fcgi_end()
    ],
);

my $t = Upstream502::Test->new;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->tcp( $_ => [ 'read_some', [ write => $backends{$_}[1] ], 'hold' ] )
  for keys %backends;
my $format    = join ' ',  map { "|$_=\$$_" } @variables;
my $fields    = join "\n", map { "add_header V-$_ \$$_ always;" } @variables;
my $servers   = 'server %%closed%%; ' x 200;
my $locations = join "\n",
  map { "location /$_ { $backends{$_}[0]%%$_%%; }" } sort keys %backends;
$t->conf( http => <<"CONF", server => <<"CONF2" );
large_client_header_buffers 4 128k;
map_hash_bucket_size 256;
map \$uri \$mapped { "~(?s)^/map/(?<rest>.+)\$" \$rest; }
log_format hostile escape=none '\$http_x_test $format';
access_log %%DIR%%/hostile.log hostile;
upstream "odd\\r\\nX-Injected\\r\\n\\r\\n$BYTES" { server %%closed%%; }
upstream many { $servers }
upstream sock { server "unix:%%DIR%%/odd\\r\\nX-Injected: 1\\r\\n\\r\\n\xff\x1b"; }
CONF
upstream_502_record_uri full;
upstream_502_proxy_status edge details;
fastcgi_catch_stderr PHP;
$fields
$locations
location / { proxy_pass http://%%rst%%; }
location /name { proxy_pass "http://odd\\r\\nX-Injected\\r\\n\\r\\n$BYTES"; }
location /many { proxy_pass http://many; }
location /sock { proxy_pass http://sock; }
location /unix { proxy_pass "http://unix:%%DIR%%/odd\\r\\nX-Injected:/"; }
location /arg { proxy_pass http://\$arg_x; }
location /map/ { proxy_pass http://\$mapped; }
location ~ (?s)^/set/(?<to>.+)\$ { set \$target \$to; proxy_pass http://\$target; }
location /rewrite/ {
    rewrite (?s)^/rewrite/(.+)\$ /x break;
    proxy_pass http://\$1;
}
CONF2
$t->start;

# What is wrong with `text`, which may stand on one line of anything.
sub faults ( $text, $most ) {
    my $decoded =
      eval { Encode::decode( 'UTF-8', my $copy = $text, Encode::FB_CROAK ) };
    my @faults;
    push @faults, 'no UTF-8'     if !defined $decoded;
    push @faults, 'a control'    if ( $decoded // $text ) =~ /[\0-\x1f\x7f]/;
    push @faults, 'a C1 control' if ( $decoded // '' )    =~ /[\x80-\x9f]/;
    push @faults, length($text) . ' bytes' if length $text > $most;
    return @faults;
}

sub json_faults ($value) {
    my $object = length $value ? eval { decode_json($value) } : {};
    return 'no JSON' if ref $object ne 'HASH';
    return map { "a long $_" }
      grep { length( $object->{$_} // '' ) > TEXT_MAX } sort keys %$object;
}

sub variable_faults ( $name, $value ) {
    if ( $name eq 'upstream_502_json' ) {
        return ( faults( $value, JSON_MAX ), json_faults($value) );
    }
    my @faults = faults( $value, TEXT_MAX );
    push @faults, 'an invisible character'
      if $value =~ /\xe2\x80[\x8b-\x8f\xa8-\xae]/;
    return @faults;
}

# A structured field of RFC 8941: a token with parameters.
sub status_faults ($value) {
    my $string = qr/"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"/;
    my @faults = faults( $value, STATUS_MAX );
    push @faults, 'no structured field'
      if $value !~ /\A[a-z]+(?:; [a-z-]+=(?:$string|\w+))*\z/;
    return @faults;
}

# The head has nginx's own fields and ours, the body is nginx's page.
sub response_faults ($r) {
    my @faults;
    my %seen;
    for ( @{ $r->{lines} } ) {
        my ( $name, $value ) = split /: /, $_, 2;
        if ( $seen{$name}++ ) {
            push @faults, "$name comes twice";
        }
        elsif ( $name =~ /^V-(upstream_502\w*)$/ ) {
            push @faults, map { "$name: $_" } variable_faults( $1, $value );
        }
        elsif ( $name eq 'Proxy-Status' ) {
            push @faults, map { "$name: $_" } status_faults($value);
        }
        elsif ( $name !~
            /^(?:Server|Date|Content-Type|Content-Length|Connection)$/ )
        {
            push @faults, "the field $name";
        }
    }
    push @faults, 'the body is not whole'
      if length $r->{body} != ( $r->{headers}{'content-length'} // -1 );
    push @faults, 'the body is not nginx\'s'
      if $r->{body} !~ m{\A<html>\r\n<head><title>$r->{status} [^<]*</title>}
      || $r->{body} =~ /injected/i;
    return @faults;
}

my %sent;

# `variable` has, after the request, something of `text` in it.
sub check ( $name, $variable, $text, $uri, %o ) {
    subtest $name => sub {
        my $r = $t->get( $uri, %o );
        $sent{ $r->{id} } = $name;
        is_deeply [ response_faults($r) ], [], 'the response';
        like $r->{status}, qr/^50[02]$/, 'is a gateway response';
        like $r->{headers}{ 'v-' . lc $variable } // '', $text,
          "$variable tells";
    };
}

my $upstream = 'upstream_502_upstream';
my $message  = 'upstream_502_message';
my $json     = 'upstream_502_json';
my $percent  = '%0d%0aX-Injected%0d%0a%0d%0a%3Cb%3Einjected%1b%ff';
my $port     = '%0d%0aX-Injected:%201%0d%0a%0d%0a%3Cb%3Einjected%1b%ff';
my $long     = 'u' x 60_000;
my $bad      = "\xff" x 60_000;

subtest 'the variables' => sub {
    my $readme = Upstream502::Nginx::slurp("$FindBin::Bin/../README.md");
    my %documented =
      map { $_ => 1 } map { /`\$(upstream_502\w*)`/g }
      grep { /^\| `\$upstream_502/ } split /\n/, $readme;
    is_deeply [ sort @variables ], [ sort keys %documented ],
      'are those of the README';
    cmp_ok scalar @variables, '>=', 22, 'and all there';
};

check( $_, $message, qr/^\w.*\?/, "/$_" )
  for grep { $_ ne 'http_long' } sort keys %backends;
check( 'http_long',               $message,  qr/./,         '/http_long' );
check( 'the name of an upstream', $upstream, qr/^odd\?\?X/, '/name' );
check( 'the path of a socket',    'upstream_502_peer', qr/odd\?\?X/, '/sock' );
check( 'a socket as upstream',    $upstream,           qr/odd\?\?X/, '/unix' );
check( 'a set target',        $json, qr/"target":"a[^"]*X-Inj/, "/set/a$percent" );
check( 'a mapped target',     $json, qr/"target":"b[^"]*X-Inj/, "/map/b$percent" );
check( 'a captured target',   $json, qr/"target":"c[^"]*X-Inj/, "/rewrite/c$percent" );
check( 'a port that is none', $message,  qr/^invalid.*"d\?\?X/, "/set/d$port" );
check( 'a target with bytes', $json, qr/"target":"d/,     "/arg?x=d\xff\xc2\x9b" );
check( 'a long target',       $json, qr/"target":"u{100}/, "/arg?x=$long" );
check( 'many attempts',    'upstream_502_causes', qr/^(?:\w+, ){80}/, '/many' );
check( 'a URI with bytes', $json, qr/"uri":"/, "/\xff\xc2\x9b\xe2\x80\xa8%0d" );
check( 'a long URI',       $json, qr/"uri":"/, "/$bad" );
check( 'a long query',     $json, qr/"uri":"/, "/?$bad" );
check( 'a Host with bytes', $json, qr/"host":"/, '/', host => "h\xff\xc2\x9b" );
check( 'a long Host',       $json, qr/"host":"/, '/', host => 'h' x 60_000 );
check( 'a long method', $json, qr/"method":"M/,  '/', method => 'M' x 60_000 );

subtest 'the log' => sub {
    my $count = keys %sent;
    my $log   = wait_for "$count lines", sub {
        my $text = $t->slurp('hostile.log');
        return ( () = $text =~ /\n/g ) >= $count ? $text : '';
    };
    my @lines = split /\n/, $log, -1;
    is pop @lines,    '',     'the last line is whole';
    is scalar @lines, $count, 'a line for each request';
    my $values  = join ' ', map { "\\|$_=(.*)" } @variables;
    my $pattern = qr/^(r\d+) $values$/;
    my @faults;
    for my $line (@lines) {
        my ( $id, @values ) = $line =~ $pattern;
        if ( !$id ) {
            push @faults, 'a line with something else: ' . substr $line, 0, 80;
            next;
        }
        my $name = $sent{$id} // 'another request';
        for my $i ( 0 .. $#variables ) {
            push @faults,
              map { "$name: $variables[$i]: $_" }
              variable_faults( $variables[$i], $values[$i] );
        }
    }
    is_deeply \@faults, [], 'that holds text and nothing else';
};

$t->finish;
done_testing;
