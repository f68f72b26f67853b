#!/usr/bin/perl

# upstream_502, upstream_502_record_uri and upstream_502_proxy_status.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

my $t = Upstream502::Test->new;
$t->tcp( rst => [ 'read', 'rst' ] );
$t->tcp(
    bad => [
        'read',
        [
            write => http_status(
                502, 'x', 'Proxy-Status: ' . 'inner; received-status=500'
            )
        ],
        'close'
    ]
);
$t->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream pair { server %%rst%% max_fails=0; server %%ok%% backup; }
CONF
location = /off { upstream_502 off; proxy_pass http://%%rst%%; }
location = /off-if { if ($arg_off) { upstream_502 off; }
    proxy_pass http://%%rst%%; }
location = /path { proxy_pass http://%%rst%%; }
location = /rewritten { rewrite ^ /path; }
location = /full { upstream_502_record_uri full; proxy_pass http://%%rst%%; }
location = /none { upstream_502_record_uri off; proxy_pass http://%%rst%%; }
location = /silent { proxy_pass http://%%rst%%; }
location /on {
    upstream_502_proxy_status on;
    location = /on/rst { proxy_pass http://%%rst%%; }
    location = /on/ok { proxy_pass http://%%ok%%; }
    location = /on/saved { proxy_pass http://pair; }
    location = /on/bad { proxy_pass http://%%bad%%; }
    location = /on/off { upstream_502_proxy_status off;
        proxy_pass http://%%rst%%; }
}
location = /named { upstream_502_proxy_status edge.test;
    proxy_pass http://%%rst%%; }
location = /details { upstream_502_proxy_status edge.test details;
    proxy_pass http://%%rst%%; }
location = /early {
    set $early "$upstream_502_cause$upstream_502$upstream_502_json";
    if ($upstream_502_origin) { return 204; }
    proxy_pass http://%%rst%%;
}
location /some {
    access_log %%DIR%%/failed.log rows if=$upstream_502;
    access_log %%DIR%%/rows.log rows;
    location = /some/rst { proxy_pass http://%%rst%%; }
    location = /some/ok { proxy_pass http://%%ok%%; }
}
CONF2
$t->start;

sub newest_event () { return $t->status('limit=1')->{events}[0] }

subtest 'upstream_502 off' => sub {
    for my $uri ( '/off', '/off-if?off=1' ) {
        my $before = $t->status;
        my $r      = $t->get($uri);
        my $row    = $t->row($r);
        my $after  = $t->status;
        is $r->{status},               502, "$uri: client status";
        is $row->{upstream_502},       '-', 'no variable';
        is $row->{upstream_502_cause}, '-', 'no cause';
        is gained( $before, $after, 'totals', $_ ), 0, "no $_"
          for qw(requests attempts failures);
        is gained( $before, $after, 'totals', 'responses', 502 ), 0, 'no 502';
        is $after->{events}[0]{id}, $before->{events}[0]{id},        'no event';
    }
    is $t->row( $t->get('/off-if') )->{upstream_502_cause},
      'reset_before_response', 'on where the if does not hold';
};

subtest 'upstream_502_record_uri' => sub {
    my %uri = (
        '/path?secret=1' => '/path',
        '/full?secret=1' => '/full?secret=1',
        '/none?secret=1' => undef,
        '/path'          => '/path',

        # Where nginx decodes or changes the path.
        '/p%61th?secret=1'          => '/p%61th',
        '//path?secret=1'           => '//path',
        '/x/../path?secret=1'       => '/x/../path',
        '/rewritten?secret=1'       => '/rewritten',
        '/path?secret=1?secret=%3F' => '/path',
    );
    for my $request ( sort keys %uri ) {
        my $r     = $t->get($request);
        my $event = newest_event();
        is $event->{uri},         $uri{$request}, "the event of $request";
        is $t->object($r)->{uri}, $uri{$request}, 'and its object';
    }
};

subtest 'methods' => sub {
    for my $method (qw(GET POST PUT DELETE PATCH PROPFIND OPTIONS PURGE GETS)) {
        my $r = $t->request( '/path', method => $method, body => '' );
        is $r->{status},             502,     "$method is passed on";
        is newest_event()->{method}, $method, 'and stands in the event';
        is $t->object($r)->{method}, $method, 'and in the object';
    }
};

sub proxy_status ($uri) {
    my $r = $t->get($uri);
    return [ map { /^Proxy-Status:\s*(.*)/i ? $1 : () } @{ $r->{lines} } ];
}

subtest 'upstream_502_proxy_status' => sub {
    is_deeply proxy_status('/silent'), [], 'off by default';
    is_deeply proxy_status('/on/off'), [], 'off where it is off';
    is_deeply proxy_status('/on/ok'),  [], 'nothing to say';
    my ($on) = @{ proxy_status('/on/rst') };
    like $on,   qr/^[\w.*!#$%&'+^`|~:\/-]+; *error=connection_terminated/, 'on';
    unlike $on, qr/next-hop|details/, 'without details';
    my ($named) = @{ proxy_status('/named') };
    like $named, qr/^edge\.test; *error=connection_terminated/, 'a name';
    my ($details) = @{ proxy_status('/details') };
    like $details, qr/^edge\.test; *error=connection_terminated/,  'details';
    like $details, qr/next-hop="?\Q@{[ $t->address('rst') ]}\E"?/, 'next-hop';
    like $details, qr/details="[^"]*recv\(\) failed/, 'and the message';
    my $theirs = join ', ', @{ proxy_status('/on/bad') };
    like $theirs, qr/^inner; received-status=500/,
      "the upstream's own stays first";
    like $theirs, qr/received-status=502/, 'and ours says what it said';
};

subtest 'a variable that was read too early' => sub {
    my $row = $t->row( $t->get('/early') );
    is $row->{upstream_502_cause}, 'reset_before_response', 'holds in the end';
    is $row->{upstream_502},       1,                       'so does the flag';
};

subtest 'access_log … if=$upstream_502' => sub {
    $t->row( $t->get("/some/$_") ) for qw(ok rst ok rst);
    my @lines = split /\n/, $t->slurp('failed.log');
    is scalar @lines,                                2, 'two lines';
    is scalar( grep { m{uri=/some/rst\t} } @lines ), 2, 'of the failures';
};

subtest '$upstream_502_proxy_status' => sub {
    my $row = $t->row( $t->get('/silent') );
    like $row->{upstream_502_proxy_status}, qr/error=connection_terminated/,
      'the variable is there though the header is off';
};

subtest '$upstream_502_json' => sub {
    my $object = $t->object( $t->get('/path') );
    is $object->{cause},       'reset_before_response', 'cause';
    is $object->{phase},       'header',                'phase';
    is $object->{errno},       104,                     'errno';
    is $object->{errno_name},  'ECONNRESET',            'errno name';
    is $object->{errno_class}, 'reset',                 'errno class';
    is $object->{peer},        $t->address('rst'),      'peer';
};

$t->finish;
done_testing;
