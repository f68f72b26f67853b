#!/usr/bin/perl

# A large report: to slow readers, to readers that leave, over HTTP/1.0, as a
# part of a page, and while everything changes.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Uncompress::Gunzip ();
use Test::More;
use Upstream502::H2;
use Upstream502::Net  qw(reset_close);
use Upstream502::Test qw(:DEFAULT decode_json);
use Upstream502::Wire;

my $UPSTREAMS = 60;
my $PEERS     = 20;

my $t = Upstream502::Test->new;
$t->tcp(
    page => [
        'read',
        [
            write => http_ok(
                join( "\n--\n",
                    ('<!--# include virtual="/report?format=json" -->') x 2 ),
                'Content-Type: text/html'
            )
        ],
        'close'
    ]
);
my $upstreams = '';

for my $u ( 1 .. $UPSTREAMS ) {
    my $servers = join ' ',
      map { "server 127.0.6.$_:%%PORT_nobody%%;" } 1 .. $PEERS;
    $upstreams .= "upstream u$u { $servers }\n";
}
$t->conf(
    http   => "upstream_502_zone large:8m;\n$upstreams",
    server => 'location = /fail { set $target u$arg_n;
            proxy_pass http://$target; }
        location = /report { upstream_502_status; }
        listen 127.0.0.1:%%PORT_h2%% http2;
        location = /gzip { gzip on; gzip_types *; upstream_502_status; }
        location = /slow { limit_rate 200k; upstream_502_status; }
        location = /page { ssi on; proxy_pass http://%%page%%; }
        location = /checked { auth_request /report; upstream_502_status; }',
);
$t->start;
$t->get("/fail?n=$_") for 1 .. $UPSTREAMS;

my $status = $t->status('limit=1000');
is scalar @{ $status->{upstreams} }, $UPSTREAMS, 'all upstreams are listed';
is_deeply [ grep { @{ $_->{peers} } != $PEERS } @{ $status->{upstreams} } ],
  [], 'with all peers';
is scalar @{ $status->{events} }, 1000, 'and a thousand events';

my %end = (
    json       => qr/\}\s*\z/,
    html       => qr{</html>\s*\z},
    text       => qr/\n\z/,
    prometheus => qr/\n\z/,
);

for my $format ( sort keys %end ) {
    my $whole = $t->get("/report?format=$format&limit=1000");
    like $whole->{body}, $end{$format}, "$format: whole";
    ok length $whole->{body} > 60_000, "$format: large";

    my $old = $t->send( '/',
        raw => "GET /report?format=$format&limit=1000 HTTP/1.0\r\n\r\n" );
    my $answer = $t->read($old);
    ok $answer->{complete}, "$format: over HTTP/1.0";
    like $answer->{body}, $end{$format}, "$format: whole there too";

    # Reads a little at a time, while counters change between the pieces.
    my $slow = $t->send("/report?format=$format&limit=1000");
    my $raw  = '';
    for my $n ( 1 .. 5 ) {
        sysread $slow->{socket}, $raw, 4096, length $raw;
        $t->get("/fail?n=$n");
    }
    while ( sysread $slow->{socket}, $raw, 65536, length $raw ) { }
    my $parsed = Upstream502::Http::parse($raw);
    ok $parsed->{complete} || $parsed->{close_delimited},
      "$format: to a slow reader";
    like $parsed->{body}, $end{$format}, "$format: whole to it";

    # Leaves in the middle.
    for ( 1 .. 5 ) {
        my $gone = $t->send("/report?format=$format&limit=1000");
        sysread $gone->{socket}, my $some, 1000;
        reset_close( $gone->{socket} );
    }
}

my $page  = $t->get('/page');
my @parts = split /\n--\n/, $page->{body};
is scalar(
    grep {
        ref eval { decode_json($_) } eq 'HASH'
    } @parts
  ),
  2,
  'the report as two parts of a page';
is $t->get('/checked')->{status}, 200, 'the report as an auth_request';

subtest 'kept connections' => sub {
    my $socket;
    for my $n ( 1 .. 3 ) {
        my $r = $t->get(
            '/report?format=json&limit=1000',
            keep => 1,
            defined $socket ? ( socket => $socket ) : ()
        );
        $socket = $r->{socket};
        is ref eval { decode_json( $r->{body} ) }, 'HASH', "report $n";
    }
    my $raw = "GET /report?format=json HTTP/1.1\r\nHost: localhost\r\n";
    my $r   = $t->read(
        $t->send(
            '/', raw => "$raw\r\n" x 2 . "${raw}Connection: close\r\n\r\n"
        )
    );
    is scalar( () = $r->{raw} =~ /^HTTP\/1\.1 200 /mg ), 3, 'pipelined';
};

subtest 'compressed' => sub {
    my $r = $t->get( '/gzip?format=json&limit=1000',
        headers => ['Accept-Encoding: gzip'] );
    is $r->{headers}{'content-encoding'}, 'gzip', 'it is';
    my $plain;
    IO::Uncompress::Gunzip::gunzip( \$r->{body}, \$plain );
    is ref eval { decode_json($plain) }, 'HASH', 'and whole';
};

subtest 'at a limited rate' => sub {
    my $r = $t->get('/slow?format=json&limit=200');
    is ref eval { decode_json( $r->{body} ) }, 'HASH', 'a report';
};

subtest 'over HTTP/2' => sub {
    my $client = Upstream502::H2->new( $t->port('h2') );
    $client->send( $_, '/report?format=json&limit=1000' ) for 1, 3, 5, 7;
    $client->cancel(3);
    my $streams = $client->read( 1, 5, 7 );
    for my $id ( 1, 5, 7 ) {
        is ref eval { decode_json( $streams->{$id}{body} ) }, 'HASH',
          "stream $id";
    }
    close $client->{socket};
};

subtest 'the counters are reset while reports are made' => sub {
    my @readers = map { $t->send('/report?format=json&limit=1000') } 1 .. 4;
    is $t->request( '/status', method => 'DELETE' )->{status}, 204, 'DELETE';
    for my $reader (@readers) {
        my $r = $t->read($reader);
        is ref eval { decode_json( $r->{body} ) }, 'HASH', 'a report';
    }
    is $t->status->{totals}{failures}, 0, 'nothing is left';
};

$t->finish;
done_testing;
