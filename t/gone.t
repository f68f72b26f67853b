#!/usr/bin/perl

# Readers of a report that have gone: what was made for them is freed at once,
# and they hold no worker that has to end.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::IP;
use Socket qw(SOCK_STREAM SOL_SOCKET SO_RCVBUF);
use Test::More;
use Upstream502::H2;
use Upstream502::Http qw(request);
use Upstream502::Net  qw(reset_close);
use Upstream502::Test;

my $UPSTREAMS   = 40;
my $CONNECTIONS = 4;
my $STREAMS     = 24;

# Far less than the send_timeout and worker_shutdown_timeout below.
my $AT_ONCE = 10;

my $t         = Upstream502::Test->new;
my $upstreams = '';
for my $u ( 1 .. $UPSTREAMS ) {
    my $servers = join ' ',
      map { "server 127.0.6.$_:%%PORT_nobody%%;" } 1 .. 20;
    $upstreams .= "upstream u$u { $servers }\n";
}
$t->conf(
    shutdown => '300s',
    http     => "upstream_502_zone large:8m;
        upstream_502_record_uri full;
        send_timeout 300s;
        $upstreams",
    server => 'listen 127.0.0.1:%%PORT_h2%% http2 sndbuf=16k;
        listen 127.0.0.1:%%PORT_narrow%% sndbuf=16k;
        large_client_header_buffers 4 16k;
        location = /fail { set $target u$arg_n; proxy_pass http://$target; }
        location = /report { upstream_502_status; }
        location = /page { ssi on; ssi_types *; root %%DIR%%; }
        location = /count { stub_status; }',
);
$t->write( 'page',
    '<!--# include virtual="/report?format=json&limit=1000" -->' );
$t->start;
$t->get( "/fail?n=$_&" . 'x' x 400 ) for 1 .. $UPSTREAMS;
my $REPORT = '/report?format=json&limit=1000';
my $size   = length $t->get($REPORT)->{body};
ok $size > 600_000, 'the report takes several turns' or diag $size;

# How many requests are at work, without the one that asks.
sub requests () {
    my $r = request( $t->port('http'), uri => '/count' );
    my ($writing) = $r->{body} =~ /Writing: (\d+)/
      or die "stub_status: $r->{raw}\n";
    return $writing - 1;
}

sub memory () {
    my ($worker) = $t->nginx->workers;
    return Upstream502::Nginx::resident($worker);
}

# Clients that have asked and take almost nothing of the answer.
sub http2 () {
    my @clients =
      map { Upstream502::H2->new( $t->port('h2'), window => 100 ) }
      1 .. $CONNECTIONS;
    for my $client (@clients) {
        $client->send( 2 * $_ - 1, $REPORT ) for 1 .. $STREAMS;
    }
    return @clients;
}

sub http1 ( $request = "GET $REPORT HTTP/1.1\r\nHost: localhost\r\n\r\n" ) {
    my @sockets;
    for ( 1 .. $CONNECTIONS ) {
        my $socket = IO::Socket::IP->new(
            PeerHost => '127.0.0.1',
            PeerPort => $t->port('narrow'),
            Type     => SOCK_STREAM,
            Sockopts => [ [ SOL_SOCKET, SO_RCVBUF, 4096 ] ],
        ) or die "cannot connect: $@\n";
        syswrite $socket, $request;
        push @sockets, $socket;
    }
    return @sockets;
}

my $body =
  "GET $REPORT HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx";
my $whole   = $body . 'x' x 8;
my $behind  = "GET $REPORT HTTP/1.1\r\nHost: localhost\r\n\r\n" x 3;
my $page    = $behind =~ s{\Q$REPORT\E}{/page}r;
my $streams = $CONNECTIONS * $STREAMS;

sub sockets (@clients) {
    return map { ref eq 'Upstream502::H2' ? $_->{socket} : $_ } @clients;
}

sub leave (@clients) { close $_ for sockets(@clients) }

sub abandon (@clients) {
    reset_close($_) for grep { $_->opened } sockets(@clients);
}
sub half (@clients) { shutdown $_, 1 for sockets(@clients) }

sub cancel (@clients) {
    for my $client (@clients) {
        $client->cancel( 2 * $_ - 1 ) for 1 .. $STREAMS;
    }
}

my @WAYS = (
    [ 'HTTP/2, closed'        => \&http2, $streams,     \&leave ],
    [ 'HTTP/2, reset'         => \&http2, $streams,     \&abandon ],
    [ 'HTTP/2, half closed'   => \&http2, $streams,     \&half ],
    [ 'HTTP/2, streams reset' => \&http2, $streams,     \&cancel ],
    [ 'HTTP/1, closed'        => \&http1, $CONNECTIONS, \&leave ],
    [ 'HTTP/1, reset'         => \&http1, $CONNECTIONS, \&abandon ],
    [ 'HTTP/1, half closed'   => \&http1, $CONNECTIONS, \&half ],
    [
        'HTTP/1, more behind it' => sub { http1($behind) },
        $CONNECTIONS, \&half
    ],
    [ 'HTTP/1, a body to come' => sub { http1($body) }, $CONNECTIONS, \&half ],
    [
        'HTTP/1, a body to come, reset' => sub { http1($body) },
        $CONNECTIONS, \&abandon
    ],
    [ 'HTTP/1, a whole body' => sub { http1($whole) }, $CONNECTIONS, \&half ],
    [
        'HTTP/1, a body that came late' => sub {
            my @sockets = http1($body);
            wait_for 'the requests', sub { requests() == $CONNECTIONS };
            syswrite $_, 'x' x 8 for @sockets;
            return @sockets;
        },
        $CONNECTIONS,
        \&half
    ],
    [ 'a part of a page' => sub { http1($page) }, $CONNECTIONS, \&half ],
);

# Waits until so many requests are at work and have all they can get.
sub wait_stuck ($count) {
    wait_for "$count requests", sub { requests() == $count };
    $t->nginx->wait_idle;
}

# Sanitizers keep what is freed.
sub given_back ($bound) {
    return eval {
        wait_for 'memory', sub { memory() < $bound }, $AT_ONCE;
    };
}

my $before = memory();
for (@WAYS) {
    my ( $name, $come, $count, $go ) = @$_;
    my @clients = $come->();
    wait_stuck($count);
    my $held = memory() - $before;
    $go->(@clients);
    my $gone = eval {
        wait_for 'their end', sub { requests() == 0 }, $AT_ONCE;
    };
    ok $gone, "$name: no request is left" or diag requests();

    if ( $count == $streams && !$ENV{TEST_LD_PRELOAD} ) {
        ok given_back( $before + $held / 4 ), "$name: nor its memory"
          or diag join ' ', $before, $held, memory();
    }
    abandon(@clients);
    wait_for 'their end', sub { requests() == 0 };
}

subtest 'an old worker' => sub {
    for (@WAYS) {
        my ( $name, $come, $count, $go ) = @$_;
        next if $name =~ /streams reset/;    # their connection is still there
        my ($old) = $t->nginx->workers;
        my @clients = $come->();
        wait_stuck($count);
        $t->reload;
        ok Upstream502::Nginx::alive($old), "$name: waits for who is there";
        $go->(@clients);
        my $ended = eval {
            wait_for 'its end', sub { !Upstream502::Nginx::alive($old) },
              $AT_ONCE;
        };
        ok $ended, "$name: ends when they have gone";
        abandon(@clients);
        wait_for 'its end', sub { !Upstream502::Nginx::alive($old) };
    }
};

$t->finish;
done_testing;
