#!/usr/bin/perl

# A bad value fails nginx -t and names the directive, the value and what is
# allowed; good values pass.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test;

my $t = Upstream502::Test->new( status => 0 );

# [part of the configuration, text, directive, value, what is allowed]
my @bad = (
    [ http   => 'upstream_502 maybe;', 'upstream_502', 'maybe', 'on', 'off' ],
    [ server => 'upstream_502 1;',     'upstream_502', '1',     'on', 'off' ],
    [
        http => 'upstream_502_evidence yes;',
        'upstream_502_evidence', 'yes', 'on', 'off'
    ],
    [
        http => 'upstream_502_zone nocolon;',
        'upstream_502_zone', 'nocolon', 'name:size'
    ],
    [
        http => 'upstream_502_zone :4m;',
        'upstream_502_zone', ':4m', 'name:size'
    ],
    [
        http => 'upstream_502_zone a:;',
        'upstream_502_zone', 'a:', 'name:size'
    ],
    [
        http => 'upstream_502_zone a:many;',
        'upstream_502_zone', 'a:many', 'name:size'
    ],
    [
        http => 'upstream_502_zone a:-4m;',
        'upstream_502_zone', 'a:-4m', 'name:size'
    ],
    [
        http => 'upstream_502_zone a:4m events=none;',
        'upstream_502_zone', 'events=none', 'events='
    ],
    [
        http => 'upstream_502_zone a:4m events=0;',
        'upstream_502_zone', 'events=0', 'events='
    ],
    [
        http => 'upstream_502_zone a:4m events=-1;',
        'upstream_502_zone', 'events=-1', 'events='
    ],
    [
        http => 'upstream_502_zone a:4m incidents=0;',
        'upstream_502_zone', 'incidents=0', 'incidents='
    ],
    [
        http => 'upstream_502_zone a:4m events=10 incidents=10001;',
        'upstream_502_zone', 'incidents=10001', 'from 1 to 10000'
    ],
    [
        http => 'upstream_502_zone a:4m incidents=x events=10;',
        'upstream_502_zone', 'incidents=x', 'incidents='
    ],
    [
        http => 'upstream_502_zone a:4m color=red;',
        'upstream_502_zone', 'color=red', 'events='
    ],
    [
        server => 'upstream_502_record_uri all;',
        'upstream_502_record_uri',
        'all', 'path', 'full', 'off'
    ],
    [
        server => 'location /s { upstream_502_status xml; }',
        'upstream_502_status', 'xml',     'auto', 'html', 'json', 'text',
        'prometheus',          'access=', 'write='
    ],
    [
        server => 'location /s { upstream_502_status json access=world; }',
        'upstream_502_status', 'access=world', 'local', 'any'
    ],
    [
        server => 'location /s { upstream_502_status write=yes; }',
        'upstream_502_status', 'write=yes', 'on', 'off'
    ],
    [
        http => 'upstream_502_proxy_status a"b;',
        'upstream_502_proxy_status',
        'a"b'
    ],
    [
        http => 'upstream_502_proxy_status on verbose;',
        'upstream_502_proxy_status', 'verbose', 'details'
    ],
);

for my $case (@bad) {
    my ( $part, $text, $directive, $value, @allowed ) = @$case;
    subtest $text => sub {
        my ( $code, $output ) = $t->check_config( $part => $text );
        isnt $code, 0, 'nginx -t fails';
        my ($line) = $output =~ /^\w+: (\[emerg\] .*)$/m;
        ok $line, 'with one line' or diag $output;
        like $line, qr/"\Q$directive\E" directive/, 'that names the directive';
        like $line, qr/"\Q$value\E"/,               'and the value';
        like $line, qr/checked\.conf:\d+$/,         'and the place';
        for my $allowed (@allowed) {
            like $line, qr/\Q$allowed\E/, "and what is allowed: $allowed";
        }
    };
}

# Wrong by nginx's own rules.
my @refused = (
    [ server => 'upstream_502_zone a:4m;',            qr/is not allowed here/ ],
    [ server => 'upstream_502_incident_log on;',      qr/is not allowed here/ ],
    [ http => 'upstream_502_incident_log maybe;',     qr/invalid value "maybe"/ ],
    [ http   => 'upstream_502_status json;',          qr/is not allowed here/ ],
    [ server => 'upstream_502_status json;',          qr/is not allowed here/ ],
    [ http   => 'upstream_502 on; upstream_502 off;', qr/is duplicate/ ],
    [
        server => 'upstream_502_evidence on; upstream_502_evidence on;',
        qr/is duplicate/
    ],
    [
        server => 'location / { if ($arg_x) { upstream_502_evidence off; } }',
        qr/is not allowed here/
    ],
    [
        http => 'upstream_502_zone a:4m; upstream_502_zone b:4m;',
        qr/is duplicate/
    ],
    [
        server => 'location /s { upstream_502_status; upstream_502_status; }',
        qr/is duplicate/
    ],
    [
        server => 'location /s { upstream_502_status json text; }',
        qr/"text" in "upstream_502_status" .* what "json" has said already/
    ],
    [
        server => 'location /s { upstream_502_status access=local access=any; }',
        qr/"access=any" .* what "access=local" has said already/
    ],
    [
        http => 'upstream_502_zone a:4m events=10 events=20;',
        qr/"events=20" .* what "events=10" has said already/
    ],
    [ http => 'upstream_502_zone;', qr/invalid number of arguments/ ],
    [ http => 'upstream_502;',      qr/invalid number of arguments/ ],
);

for my $case (@refused) {
    my ( $part, $text, $pattern ) = @$case;
    my ( $code, $output ) = $t->check_config( $part => $text );
    isnt $code, 0, "$text fails";
    like $output, $pattern, 'and says why';
}

subtest 'a zone that is too small says how much is enough' => sub {
    my $text = 'upstream_502_zone small:8k events=2000;';
    my ( $code, $output ) = $t->check_config( http => $text );
    isnt $code, 0, 'nginx -t fails';
    like $output, qr/"upstream_502_zone" directive/, 'naming the directive';
    my ($least) = $output =~ /at least (\d+k)/;
    ok $least, 'and the smallest size' or return diag $output;
    ( $code, $output ) = $t->check_config( http => $text =~ s/8k/$least/r );
    is $code, 0, 'which is enough' or diag $output;
    my ($number) = $least =~ /(\d+)/;
    my $less = $number - 64 . 'k';
    ( $code, $output ) = $t->check_config( http => $text =~ s/8k/$less/r );
    isnt $code, 0, 'and not far too much';
};

my @good = (
    [ http => '' ],
    [ http => 'upstream_502_zone a:2m;' ],
    [ http => 'upstream_502_zone a:1048576 events=10;' ],
    [ http => 'upstream_502_zone a:2m incidents=10 events=10;' ],
    [ http => 'upstream_502_incident_log on;' ],
    [ http => 'upstream_502 off; upstream_502_record_uri full;' ],
    [
        http   => 'upstream_502_evidence off;',
        server => 'upstream_502_evidence on;
            location / { upstream_502_evidence off; }'
    ],
    [ http   => 'upstream_502_proxy_status on;' ],
    [ http   => 'upstream_502_proxy_status edge.test details;' ],
    [ server => 'upstream_502_record_uri off; upstream_502_proxy_status off;' ],
    [ server => 'location /s { upstream_502_status; }' ],
    [
        server => 'location /s { upstream_502_status prometheus access=any
            write=off; } location /t { upstream_502_status html; }'
    ],
    [ server => 'location / { if ($arg_x) { upstream_502 off; } }' ],
);

push @good, [ file => 'load_module %%MODULE%%; pid nginx.pid; events { }' ];

for my $case (@good) {
    my ( $code, $output ) = $t->check_config(@$case);
    is $code, 0, "accepted: $case->[1]" or diag $output;
}

done_testing;
