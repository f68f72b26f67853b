#!/usr/bin/perl

# Errors of routing, firewalls and ephemeral ports, in a network namespace of
# its own.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http qw(connect_to);
use Upstream502::Runner;
use Upstream502::Wire;

if ( !$ENV{TEST_IN_NAMESPACE} ) {
    plan skip_all => 'no permission to make a network namespace'
      if system('unshare -n ip link set lo up 2>/dev/null') != 0;
    $ENV{TEST_IN_NAMESPACE} = 1;
    exec 'unshare', '-n', $^X, $0 or die "unshare: $!\n";
}

sub run ($command) {
    return system("$command >/dev/null 2>&1") == 0;
}

run('ip link set lo up') or BAIL_OUT('cannot set lo up');
run("ip route add $_")
  for 'unreachable 198.51.100.1', 'prohibit 198.51.100.2',
  'blackhole 198.51.100.3';

# A rejecting firewall needs iptables and its kernel modules.
my $firewall =
  run(  'iptables -A OUTPUT -d 127.0.7.1 -j REJECT'
      . ' --reject-with icmp-host-unreachable' )
  && run( 'iptables -A OUTPUT -d 127.0.7.2 -p tcp -j REJECT'
      . ' --reject-with tcp-reset' )
  && run('iptables -A OUTPUT -d 127.0.7.3 -j DROP');

sub to ( $address, %row ) {
    return {
        site  => 'B10b',
        conf  => "proxy_connect_timeout 300ms; proxy_pass http://$address:80;",
        peer  => "$address:80",
        phase => 'connect',
        %row,
    };
}

my @rows = (
    to(
        '198.51.100.1',
        name  => 'an unreachable route',
        cause => 'connection_unreachable',
        errno => 113,
    ),
    to(
        '198.51.100.2',
        name  => 'a prohibited route',
        cause => 'permission_denied',
        errno => 13,
    ),
    to(
        '198.51.100.3',
        name  => 'a black hole',
        cause => 'connection_failed',
        errno => 22,
    ),
    to(
        '203.0.113.1',
        name  => 'no route',
        cause => 'connection_unreachable',
        errno => 101,
    ),
    {
        name   => 'no ephemeral port is left',
        site   => 'B10f',
        b      => [ 'read', [ write => http_ok() ], 'hold' ],
        conf   => 'proxy_pass http://%%b%%;',
        before => \&use_up_ports,
        after  => sub (@) { port_range( 32768, 60999 ) },
        cause  => 'local_exhausted',
        phase  => 'connect',
        errno  => 99,
    },
);
if ($firewall) {
    push @rows,
      to(
        '127.0.7.1',
        name  => 'a firewall says host unreachable',
        cause => 'connection_unreachable',
        errno => 113,
      ),
      to(
        '127.0.7.2',
        name  => 'a firewall resets',
        cause => 'connection_refused',
        errno => 111,
      ),
      to(
        '127.0.7.3',
        name   => 'a firewall drops',
        status => 504,
        cause  => 'connection_timeout',
        errno  => 110,
      );
}

sub port_range ( $low, $high ) {
    open my $range, '>', '/proc/sys/net/ipv4/ip_local_port_range'
      or die "port range: $!\n";
    print $range "$low $high";
}

# Every port of a small range is connected to the backend already.
sub use_up_ports ( $t, $row ) {
    port_range( 50_000, 50_031 );
    my @held;
    for ( 1 .. 64 ) {
        my $socket =
          eval { connect_to( $t->{ports}{"r$row->{number}_b"} ) } // last;
        push @held, $socket;
    }
    return \@held;
}

play( \@rows );
