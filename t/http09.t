#!/usr/bin/perl

# Answers that are no HTTP, which nginx passes on as HTTP/0.9: who asked, and
# what the books say of it.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::H2   ();
use Upstream502::Http ();
use Upstream502::Test;
use Upstream502::Wire;

my $BANNER = "SSH-2.0-OpenSSH_9.2p1\r\n";

my $t = Upstream502::Test->new;
$t->tcp( banner => [ 'read', [ write => $BANNER ], 'close' ] );
$t->tcp( kept   => [ 'read', [ write => $BANNER ], 'hold' ] );
$t->tcp( rst    => [ 'read', 'rst' ] );
$t->tcp( fine   => [ 'read', [ write => http_last('fine') ], 'close' ] );

$t->conf( http => <<'CONF', server => <<'CONF2' );
upstream banner { server %%banner%%; }
upstream two { server %%rst%%; server %%banner%% backup; }
upstream fine { server %%fine%%; }
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
proxy_cache_path %%DIR%%/any keys_zone=a:1m;
CONF
listen 127.0.0.1:%%PORT_h2%% http2;
proxy_set_header Host x;
location = /banner { proxy_pass http://banner; }
location = /two { proxy_pass http://two; }
location = /variable { set $to %%banner%%; proxy_pass http://$to; }
location = /kept { proxy_buffering off; proxy_pass http://%%kept%%; }
location = /cached { proxy_cache c; proxy_pass http://banner; }
location = /any { proxy_cache a; proxy_cache_valid any 1h;
    proxy_pass http://banner; }
location = /after { post_action /action; proxy_pass http://fine; }
location = /action { internal; proxy_pass http://fine; }
CONF2
$t->start;

# What was counted of an answer, and what its one event says.
sub check ( $p, $upstream, $status, $what = 'all' ) {
    my ( $event, @more ) = @{ $p->{events} };
    is scalar @more,    0,                'one event';
    is $event->{cause}, 'header_invalid', 'cause';
    is $event->{phase}, 'header',         'phase';
    ok !$event->{rescued}, 'nobody is saved by garbage';
    is $event->{client_status}, $status, 'the event has the client status';
    is $p->{gained}->( 'totals', 'failures' ), 1, 'one failure';
    is $p->{gained}->( 'totals', 'rescued' ),  0, 'not rescued';
    is $p->{gained}->( 'totals', 'responses', $_ ), 0, "no $_"
      for 500, 502, 504;
    return if !$upstream;
    is $p->{gained}->( \$upstream, 'attempts' ), 1, 'one attempt';
    is $p->{gained}->( \$upstream, 'requests' ), 1, 'one request';
}

for my $name (qw(banner variable cached any)) {
    subtest "HTTP/1.1: $name" => sub {
        my $p = $t->observe("/$name");
        check( $p, $name eq 'variable' ? undef : 'banner', 9 );
        is $p->{row}{status},              '009',            'logged status';
        is $p->{row}{upstream_502},        '-',              'no 502';
        is $p->{row}{upstream_502_cause},  'header_invalid', '$..._cause';
        is $p->{row}{upstream_502_origin}, '-',              '$..._origin';
    };
}

subtest 'garbage out of a cache is of no attempt' => sub {
    my $p = $t->observe('/any');
    is $p->{row}{status},        '009', 'logged status';
    is $p->{row}{upstream_addr}, '-',   'nobody was asked';
    is_deeply $p->{events}, [], 'no event';
    is $p->{gained}->( 'totals', $_ ), 0, $_ for qw(failures attempts);
};

subtest 'after a reset' => sub {
    my $p = $t->observe('/two');
    is_deeply [ map { $_->{cause} } @{ $p->{events} } ],
      [qw(reset_before_response header_invalid)], 'two events';
    is $p->{gained}->( 'totals', 'rescued' ), 0, 'not rescued';
};

subtest 'a client that leaves at the sight of it' => sub {
    my $before = $t->status;
    my $sent   = $t->send( '/kept', id => 'leaves' );
    $t->farm->wait_connections( 'kept', 1 );
    sysread $sent->{socket}, my $bytes, 100;
    is $bytes, $BANNER, 'what the client sees';
    close $sent->{socket};
    is $t->row('leaves')->{upstream_502_cause}, 'header_invalid', 'cause';
    is Upstream502::Test::gained( $before, $t->status, 'totals', 'failures' ),
      1, 'one failure';
};

subtest 'HTTP/2' => sub {
    my $client = Upstream502::H2->new( $t->port('h2') );
    my $before = $t->status;
    $client->send( 1, '/banner', 'x-test' => 'h2' );
    my $row = $t->row('h2');
    is $row->{upstream_502_cause}, 'header_invalid', 'cause';
    my $after = $t->status;
    is sprintf( '%03d', $after->{events}[0]{client_status} ), $row->{status},
      'the event has what the access log has';
    ok !$after->{events}[0]{rescued}, 'not rescued';
    is Upstream502::Test::gained( $before, $after, 'totals', 'failures' ), 1,
      'one failure';
    close $client->{socket};
};

subtest 'a client that asks in HTTP/0.9' => sub {
    for my $uri (qw(/banner /cached)) {
        my $before = $t->status;
        my $socket = Upstream502::Http::connect_to( $t->port('http') );
        syswrite $socket, "GET $uri\r\n";
        local $/ = undef;
        is <$socket>, $BANNER, 'gets what it asked for';
        my $after = wait_for 'the attempt to be counted', sub {
            my $now = $t->status;
            Upstream502::Test::gained( $before, $now, \'banner', 'attempts' )
              ? $now
              : undef;
        };
        is Upstream502::Test::gained( $before, $after, 'totals', 'failures' ),
          0, 'no failure';
    }
};

subtest 'post_action, of which nginx says HTTP/0.9' => sub {
    my $p = $t->observe('/after');
    is_deeply $p->{events}, [], 'no event';
    is $p->{gained}->( \'fine', 'attempts' ), 2, 'two attempts';
    is $p->{gained}->( 'totals', 'failures' ), 0, 'no failure';
};

$t->finish;
done_testing;
