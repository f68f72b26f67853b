#!/usr/bin/perl

# Streams of one HTTP/2 connection that fail differently at the same time: each
# request gets its own cause.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::H2;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( ok     => [ 'read', [ write => http_ok('fine') ], 'close' ] );
$t->tcp( rst    => [ 'read', 'rst' ] );
$t->tcp( closed => [ 'read', 'close' ] );
$t->tcp( silent => [ 'read', 'hold' ] );
$t->tcp( theirs => [ 'read', [ write => http_status(502) ], 'close' ] );
$t->tcp( bad    => [ 'read', [ write => http_ok( '', 'A b: c' ) ], 'close' ] );
$t->tcp(
    cut => [
        'read',
        [ write => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab" ], 'close'
    ]
);

$t->conf( server => <<'CONF' );
listen 127.0.0.1:%%PORT_h2%% http2;
proxy_read_timeout 500ms;
location /refused { proxy_pass http://127.0.0.1:%%PORT_nobody%%; }
location /rst { proxy_pass http://%%rst%%; }
location /closed { proxy_pass http://%%closed%%; }
location /silent { proxy_pass http://%%silent%%; }
location /theirs { proxy_pass http://%%theirs%%; }
location /bad { proxy_pass http://%%bad%%; }
location /cut { proxy_pass http://%%cut%%; }
location /ok { proxy_pass http://%%ok%%; }
CONF
$t->start;

# path => [client status, cause, errno]
my %expected = (
    refused => [ 502, 'connection_refused',     111 ],
    rst     => [ 502, 'reset_before_response',  104 ],
    closed  => [ 502, 'closed_before_response', '-' ],
    silent  => [ 504, 'read_timeout',           110 ],
    theirs  => [ 502, 'error_status',           '-' ],
    bad     => [ 502, 'header_invalid',         '-' ],
    cut     => [ 200, 'body_incomplete',        '-' ],
    ok      => [ 200, '-',                      '-' ],
);
my $ROUNDS = 5;

my $client = Upstream502::H2->new( $t->port('h2') );
my $before = $t->status;
my ( $stream, %path ) = (1);
for ( 1 .. $ROUNDS ) {
    for my $path ( sort keys %expected ) {
        $path{$stream} = $path;
        $client->send( $stream, "/$path", 'x-test' => "h$stream" );
        $stream += 2;
    }
}
my $streams = $client->read( keys %path );

for my $id ( sort { $a <=> $b } keys %path ) {
    my ( $status, $cause, $errno ) = @{ $expected{ $path{$id} } };
    my $row = $t->row("h$id");
    is_deeply [
        $streams->{$id}{status},
        @$row{qw(upstream_502_cause upstream_502_errno upstream_502_failures)}
      ],
      [ $status, $cause, $errno, $cause eq '-' ? '-' : 1 ],
      "stream $id: $path{$id}";
}

my $after = $t->status('limit=1000');
for my $path ( grep { $_ ne 'ok' } sort keys %expected ) {
    my $cause = $expected{$path}[1];
    is gained( $before, $after, 'totals', 'causes', $cause ), $ROUNDS,
      "$cause is counted $ROUNDS times";
    my @uris = grep { $_->{cause} eq $cause } @{ $after->{events} };
    is_deeply {
        map { $_->{uri} => 1 } @uris
    }, { "/$path" => 1 }, "every event of $cause is about /$path";
}
is gained( $before, $after, 'totals', 'requests' ), $ROUNDS * keys %expected,
  'every request is counted';

subtest 'a stream that the client cancels is no failure' => sub {
    my $old     = $t->status;
    my $waiting = $t->farm->connections('silent');
    $client->send( $stream, '/silent', 'x-test' => 'cancelled' );
    $t->farm->wait_connections( 'silent', $waiting + 1 );
    $client->cancel($stream);
    my $row = $t->row('cancelled');
    is $row->{status},                                   499, 'logged status';
    is $row->{upstream_502_cause},                       '-', 'no cause';
    is gained( $old, $t->status, 'totals', 'failures' ), 0,   'no failure';
};

close $client->{socket};
$t->finish;
done_testing;
