#!/usr/bin/perl

# Six hundred who ask for the report of a full zone, on a day that everything
# failed on, and read nothing of it: a worker makes it once for all of them, and
# its memory goes back to the system with the last of them.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http qw(connect_to);
use Upstream502::Readers;
use Upstream502::Test;

my $UPSTREAMS   = 7300;
my $STREAMS     = 120;     # of a connection
my $CONNECTIONS = 5;
my $MIB         = 1024;    # in KiB
my $REPORT      = '/report?format=json';

my $t = Upstream502::Test->new;
my $upstreams = join '', map {
    my $u = $_;
    "upstream backend-$u.example { "
      . join( ' ',
        map { "server 127.0.6.$_:%%PORT_nobody%% max_fails=0;" } 1 .. 3 )
      . " }\n"
} 1 .. $UPSTREAMS;
$t->conf(
    error_log => 'error_log %%DIR%%/error.log crit;',
    shutdown => '300s',
    http     => "upstream_502_zone full:64m;
        variables_hash_max_size 2048;
        keepalive_requests 100000;
        upstream_502_evidence off;
        send_timeout 300s;
        $upstreams",
    server => 'listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
        location = /fail { set $target backend-$arg_n.example;
            access_log off;
            proxy_pass http://$target;
            proxy_next_upstream off; }
        location = /report { upstream_502_status write=on; }
        location = /count { stub_status; }',
);
$t->start;
my $readers = Upstream502::Readers->new( $t, $REPORT, $STREAMS );

my ($worker) = $t->nginx->workers;

# A hundred at a time, one behind the other.
sub fail_all () {
    my $socket = connect_to( $t->port('http') );
    for ( my $n = 1 ; $n <= $UPSTREAMS ; $n += 100 ) {
        syswrite $socket,
          join '', map { "GET /fail?n=$_ HTTP/1.1\r\nHost: localhost\r\n\r\n" }
          $n .. $n + 99;
        my $answers = '';
        while ( 100 > ( () = $answers =~ /^HTTP\/1.1 502 /mg ) ) {
            sysread $socket, $answers, 65536, length $answers
              or die "nginx has gone\n";
        }
    }
}

sub resident () { return Upstream502::Nginx::resident($worker) }

fail_all();
my $whole = $t->get($REPORT)->{body};
is scalar( () = $whole =~ /^\{"name":"backend-/mg ), $UPSTREAMS,
  'all upstreams are told of';
is scalar( () = $whole =~ /^\{"upstream":"backend-[^"]*","severity":/mg ),
  $UPSTREAMS, 'and diagnosed';
cmp_ok length $whole, '>', 10 * 2**20, 'that is long';

SKIP: {
    skip 'sanitizers keep what is freed', 2 if $ENV{TEST_LD_PRELOAD};
    my $before  = resident();
    my @clients = $readers->come($CONNECTIONS);
    my $more    = resident() - $before;
    note "$more KiB more";
    cmp_ok $more, '<=', 64 * $MIB,
      $STREAMS * $CONNECTIONS . ' readers take the memory of one report';
    $readers->leave(@clients);
    my $back = eval {
        wait_for 'the memory', sub { resident() <= $before + 8 * $MIB }, 10;
    };
    ok $back, 'which goes back to the system when they have gone'
      or diag resident() - $before;
}

$t->finish;
done_testing;
