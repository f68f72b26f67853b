#!/usr/bin/perl

# A peer on another machine, in another network namespace: its sockets cannot be
# seen, and those of this machine are not its own. What its packets tell is.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Net qw(listen_tcp wait_for);
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Wire;

enter_namespace();

my $FAR = '10.77.0.2';
my ( $CLOSES, $HANGS, $REFUSES, $REJECTS ) = ( 8001 .. 8004 );
my $there;
my $iptables = firewall('OUTPUT -d 127.0.9.9 -j DROP');

# Accepts at one port and closes when it has read; never accepts at another.
my $SERVICE = <<'PERL';
use IO::Socket::IP;
my ( $closes, $hangs ) = map {
    IO::Socket::IP->new( LocalHost => '0.0.0.0', LocalPort => $_,
        Listen => 16, ReuseAddr => 1 ) or die "$_: $@";
} @ARGV;
$| = 1;
print "listening\n";
while ( my $c = $closes->accept ) { sysread $c, my $request, 65536 }
PERL

sub setup ($t) {
    quietly('ip link add u502a type veth peer name u502b')
      or plan skip_all => 'no pairs of network devices here';
    $there = Upstream502::Service->new( $t->dir . '/there.log',
        qw(unshare -n), $^X, '-e', $SERVICE, $CLOSES, $HANGS );
    wait_for 'the other machine', sub { $there->log =~ /listening/ };
    my $pid = $there->pid;
    quietly($_) or die "$_\n"
      for "ip link set u502b netns $pid",
      'ip address add 10.77.0.1/24 dev u502a', 'ip link set u502a up',
      inside("ip address add $FAR/24 dev u502b"),
      inside('ip link set u502b up'),
      "ip route add 10.88.0.0/16 via $FAR",
      inside('sysctl -w net.ipv4.ip_forward=1'),
      inside('ip route add unreachable 10.88.0.1');
}

sub inside ($command) { return 'nsenter -n -t ' . $there->pid . " $command" }

# A second service of that machine.
sub listens_there ($port) {
    my $service = Upstream502::Service->new( '/dev/null', split / /,
        inside("$^X -MIO::Socket::IP -e ")
          . "IO::Socket::IP->new(LocalHost=>'0.0.0.0',LocalPort=>$port,Listen=>8)&&sleep" );
    wait_for 'it to listen', sub { qx{@{[ inside("ss -Hltn sport = :$port") ]}} =~ /LISTEN/ };
    return $service;
}

sub far ( $port, %row ) {
    return {
        conf => "proxy_read_timeout 300ms; proxy_pass http://$FAR:$port;",
        peer => "$FAR:$port",
        before =>
          sub (@) { listen_tcp( host => '0.0.0.0', port => $port ) },
        %row,
    };
}

# A machine that the other one is the router to.
sub behind ( $address, %row ) {
    return {
        conf => "proxy_pass http://$address:80;",
        peer => "$address:80",
        evidence => { where => 'elsewhere' },
        %row,
    };
}

my @UNREACHABLE = ( site => 'B11e', errno => 113 );

play(
    [
        far(
            $REFUSES,
            name     => 'nothing listens there, the same port is listened on here',
            site     => 'B11a',
            unsaid   => [qw(port_closed other_address rejected)],
            evidence => { where => 'elsewhere', listening => undef },
            checks   => [
                [ qr/^nc -vz/ => qr/refused/, qr/^connected$/m ],
                [
                    qr/^ss -ltnp .*  # on 10\.77\.0\.2$/ => qr/^LISTEN /m,
                    \'it is to be run there'
                ],
            ],
            repair => sub (@) { listens_there($REFUSES) },
        ),
        far(
            $CLOSES,
            name     => 'it closes',
            site     => 'E5',
            unsaid   => [qw(service_gone still_listening oom_kill)],
            evidence => { where => 'elsewhere', listening => undef },
        ),
        far(
            $HANGS,
            name    => 'it does not answer',
            site    => 'E6',
            status  => 504,
            finding => 'no_answer',
            says    => "^the machine of $FAR:$HANGS has acknowledged all",
            unsaid  => [qw(not_accepted not_read queue_full unacknowledged)],
            evidence =>
              { where => 'elsewhere', accepted => undef, unread_bytes => undef },
        ),
        far(
            $HANGS,
            name   => 'what carries data is lost on the way',
            site   => 'E6',
            status => 504,
            conf   => "proxy_read_timeout 1500ms;
                proxy_pass http://$FAR:$HANGS;",
            before => sub ( $t, @ ) {
                quietly(
                    inside(
                        'iptables -A INPUT -p tcp -m tcp --tcp-flags PSH PSH -j DROP'
                    )
                );
                return;
            },
            after => sub (@) { quietly( inside('iptables -F INPUT') ) },
            finding => 'unacknowledged',
            says    => "^$FAR:$HANGS never acknowledged \\d+ bytes, sent \\d times",
            unsaid  => [qw(no_answer not_accepted not_read)],
            skip    => $iptables ? undef : 'iptables cannot be used',
        ),
        far(
            $REJECTS,
            name   => 'a rule there says that it is unreachable',
            @UNREACHABLE,
            before => sub (@) {
                quietly( inside("iptables -A INPUT -p tcp --dport $REJECTS"
                    . ' -j REJECT --reject-with icmp-host-unreachable') ) or die "iptables\n";
                return;
            },
            after   => sub (@) { quietly( inside('iptables -F INPUT') ) },
            finding => 'rejected',
            says    => "^a router or a firewall's rule said after \\d+ ms that $FAR:$REJECTS is unreachable",
            unsaid  => [qw(syn_unanswered port_closed)],
            skip    => $iptables ? undef : 'iptables cannot be used',
        ),
        behind(
            '10.88.0.1',
            name    => 'a router there says that it is unreachable',
            @UNREACHABLE,
            finding => 'rejected',
            says    => '^a router or a firewall.s rule said after \d+ ms that 10\.88\.0\.1:80 is unreachable',
            unsaid  => 'syn_unanswered',
        ),
        behind(
            '10.88.0.2',
            name  => 'a router there has no route to it',
            site    => 'B11e',
            errno   => 101,
            finding => 'rejected',
            says    => '^a router or a firewall.s rule said after \d+ ms that 10\.88\.0\.2:80 is unreachable',
        ),
        {
            name   => 'a machine is missing, which is said in the end',
            @UNREACHABLE,
            conf   => 'proxy_connect_timeout 20s; proxy_pass http://10.77.0.8:80;',
            peer   => '10.77.0.8:80',
            unsaid => 'rejected',
        },
        {
            name => 'nobody answers there at all',
            site => 'B13',
            conf => 'proxy_connect_timeout 300ms;
                proxy_pass http://10.77.0.9:80;',
            peer    => '10.77.0.9:80',
            status  => 504,
            finding => 'syn_unanswered',
            unsaid  => [qw(queue_full port_closed)],
            checks  => [
                [ qr/^nc -vz/ => qr/\A(?!.*(?:refused|^connected$))/ms, qr/refused/ ],
                [ qr/^ip neigh/ => qr/FAILED|INCOMPLETE/, qr/REACHABLE|STALE|DELAY/ ],
                [ qr/^ip route get/ => qr/^10\.77\.0\.9 dev u502a /, \'the network is a neighbour' ],
                [ qr/^ip route show match/ => qr/^10\.77\.0\.0\/24 dev u502a /, \'the network is a neighbour' ],
            ],
            repair => sub (@) { quietly( inside('ip address add 10.77.0.9/24 dev u502b') ) },
        },
    ],
    setup => \&setup
);
