#!/usr/bin/perl

# A worker that is stopped may be about to add to a row that it has found: as
# long as it is there, the row is nobody else's. It goes on, or it is killed.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum0);
use Test::More;
use Upstream502::Clock;
use Upstream502::Net qw(wait_for);
use Upstream502::Test;

for my $end (qw(CONT KILL)) {
    local $ENV{TEST_LD_PRELOAD} = $ENV{TEST_LD_PRELOAD};    # a clock of its own
    my $t = Upstream502::Test->new( allow => [qr/exited on signal 9/] );
    my $clock = Upstream502::Clock->new( $t->dir );
    $t->tcp( mute => [ 'read', 'hold' ] );
    my ( undef, $output ) =
      $t->check_config( http => 'upstream_502_zone tiny:8k events=16;' );
    my ($least) = $output =~ /at least (\d+)k/;

    my $configure = sub ($generation) {
        my $servers = join ' ',
          map { "server 127.0.$generation.$_:%%PORT_nobody%%;" } 1 .. 250;
        $t->conf(
            shutdown => '60s',
            http => "upstream_502_zone tiny:${least}k events=16 inactive=1h;
                upstream many { $servers } upstream mute { server %%mute%%; }",
            server => 'location = /many { proxy_next_upstream off;
                    proxy_pass http://many; }
                location = /mute { proxy_pass http://mute; }',
        );
    };
    my $sent = 0;
    my $ask  = sub ($times) {
        for ( 1 .. $times ) {
            $sent++ if $t->get('/many')->{status} == 502;
        }
    };
    my $new_ones = sub {
        grep { $_->{addr} =~ /^127\.0\.2\./ } @{ $t->upstream('many')->{peers} };
    };

    $configure->(1);
    $t->start;
    $ask->( $t->status->{zone}{peers_max} + 5 );
    my $held  = $t->send('/mute');    # keeps the worker
    my ($old) = $t->nginx->workers;
    $configure->(2);
    $t->reload;
    kill STOP => $old;
    wait_for( 'the worker to stop',
        sub { Upstream502::Nginx::slurp("/proc/$old/stat") =~ /\) T / } );
    $clock->forward( 70 * 60 );
    for ( 1 .. 10 ) {
        $ask->(2);
        $clock->forward(120);
    }
    is $new_ones->(), 0, "$end: no row is given away while a worker is stopped";
    kill $end => $old;
    wait_for(
        'rows for new ones',
        sub {
            $clock->forward(61);    # who is gone is looked for once a minute
            $ask->(1);
            return $new_ones->();
        }
    );
    pass "$end: then they are";
    my $many = $t->upstream('many');
    is $many->{failures}, $sent, "$end: no failure is lost";
    is sum0( map { $_->{failures} } @{ $many->{peers} } ), $sent,
      "$end: nor counted twice";
    close $held->{socket};
    wait_for( 'the old worker to end',
        sub { !Upstream502::Nginx::alive($old) } );
    $t->finish;
}

done_testing;
