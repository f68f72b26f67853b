#!/usr/bin/perl

# Errors of routing, firewalls, ephemeral ports and full disks, in namespaces of
# its own.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Diagnosis qw(edits);
use Upstream502::Http qw(connect_to);
use Upstream502::Runner;
use Upstream502::Wire;

if ( !$ENV{TEST_IN_NAMESPACE} ) {
    plan skip_all => 'no permission to make a network namespace'
      if system('unshare -nm ip link set lo up 2>/dev/null') != 0;
    $ENV{TEST_IN_NAMESPACE} = 1;
    exec 'unshare', '-nm', $^X, $0 or die "unshare: $!\n";
}

sub run ($command) {
    return system("$command >/dev/null 2>&1") == 0;
}

run('ip link set lo up') or BAIL_OUT('cannot set lo up');
run("ip route add $_")
  for 'unreachable 198.51.100.1', 'prohibit 198.51.100.2',
  'blackhole 198.51.100.3', 'prohibit 198.51.100.4';

# A way out of this namespace.
my $link =
     run('ip link add way type veth peer name out')
  && run('ip address add 198.51.100.9/32 dev way')
  && run('ip link set way up')
  && run('ip link set out up')
  && run('ip route add 198.51.100.5 dev way');

# A rejecting firewall needs iptables and its kernel modules.
my $firewall =
  run(  'iptables -A OUTPUT -d 127.0.7.1 -j REJECT'
      . ' --reject-with icmp-host-unreachable' )
  && run( 'iptables -A OUTPUT -d 127.0.7.2 -p tcp -j REJECT'
      . ' --reject-with tcp-reset' )
  && run('iptables -A OUTPUT -d 127.0.7.3 -j DROP');

sub to ( $address, %row ) {
    return {
        site => 'B10b',
        conf => "proxy_connect_timeout 300ms; proxy_pass http://$address:80;",
        peer => "$address:80",
        %row,
    };
}

# An address of this machine from then on: whether anybody listens is another
# question.
sub reached ( $kind, $address ) {
    return sub (@) {
        run("ip route del $kind $address") if $kind;
        run("ip address add $address/32 dev lo") or die "ip address\n";
        return;
    };
}

my @rows = (
    to(
        '198.51.100.1',
        name   => 'an unreachable route',
        errno  => 113,
        checks => [
            [ qr/^ip route get/ => qr/No route to host/, qr/^local 198\.51\.100\.1 dev lo/ ],
            [ qr/^ip route show match/ => qr/^unreachable 198\.51\.100\.1/m, qr/\A\z/ ],
            [ qr/^ip neigh/ => qr/\A\z/, \'no neighbour was asked' ],
            [ qr/^nc -vz/   => qr/No route to host/, qr/refused/ ],
        ],
        repair => reached( unreachable => '198.51.100.1' ),
    ),
    to(
        '198.51.100.2',
        name  => 'a prohibited route',
        checks => [
            [ qr/^ip route show match/ => qr/^prohibit 198\.51\.100\.2/m, qr/\A\z/ ],
        ],
        repair => reached( prohibit => '198.51.100.2' ),
        site   => 'B10e',
        errno  => 13,
        unsaid => [qw(confined no_permission rejected)],
    ),
    to(
        '198.51.100.4',
        name    => 'what is not allowed under a profile of AppArmor',
        site    => 'B10e',
        errno   => 13,
        before  => \&confine,
        finding => 'confined',
        unsaid  => [qw(no_permission rejected)],
        says    => '^nginx is confined by AppArmor \(/usr/sbin/nginx \(enforce\)\)',
        checks  => [
            [ qr{/attr/current} => qr{^/usr/sbin/nginx \(enforce\)$}m, qr/^unconfined$/ ],
        ],
        repair => sub ( $t, @ ) { $t->write_raw( 'profile', "unconfined\n" ); return },
        after => sub ( $t, @ ) { run('umount /proc/*/attr/current'); $t->reload },
    ),
    to(
        '198.51.100.3',
        name  => 'a black hole',
        checks => [
            [ qr/^ip route get/ => qr/Invalid argument/, qr/^local 198\.51\.100\.3 dev lo/ ],
            [ qr/^ip route show match/ => qr/^blackhole 198\.51\.100\.3/m, qr/\A\z/ ],
        ],
        repair => reached( blackhole => '198.51.100.3' ),
        site  => 'B10g',
        errno => 22,
    ),
    to(
        '198.51.100.5',
        name   => 'a loopback address to connect from',
        conf   => 'proxy_bind 127.0.0.1; proxy_pass http://198.51.100.5:80;',
        skip   => $link ? undef : 'no device can be made',
        checks => [
            [ qr/-e '_bind '/ => qr/proxy_bind 127\.0\.0\.1;/, qr/proxy_bind 198\.51\.100\.9;/,
                edits( 'proxy_bind 127.0.0.1;', 'proxy_bind 198.51.100.9;' ) ],
            [ qr/^ip route get/ => qr/^198\.51\.100\.5 dev/, \'the route was right' ],
            [ qr/^ip route show match/ => qr/^198\.51\.100\.\d+\S* dev/, \'the route was right' ],
        ],
        repair => sub (@) { return },
        site   => 'B10g',
        errno  => 22,
        hint   => qr/proxy_bind names a loopback address/,
    ),
    {
        name   => 'no IPv6 address to connect from',
        site   => 'B10f',
        conf   => 'proxy_pass http://[::1]:8300;',
        peer   => '[::1]:8300',
        before => sub (@) { return ipv6(0) },
        after  => sub (@) { return ipv6(1) },
        skip   => -e '/proc/sys/net/ipv6' ? undef : 'no IPv6',
        checks => [
            [ qr/^ip -6 addr/   => qr/\A\z/,  qr/inet6 ::1/ ],
            [ qr/disable_ipv6/  => qr/= 1$/, qr/= 0$/ ],
        ],
        repair => sub (@) { return ipv6(1) },
        errno  => 99,
        hint   => qr/^this machine has no IPv6 address that nginx could connect from/,
        unsaid => 'ports_used',
    },
    to(
        '203.0.113.1',
        name  => 'no route',
        checks => [
            [ qr/^ip route get/ => qr/Network is unreachable/, qr/^203\.0\.113\.1 dev lo/ ],
            [ qr/^ip route show match/ => qr/\A\z/, qr/^203\.0\.113\.0\/24 dev lo/ ],
            [ qr/^ip neigh/ => qr/\A\z/, \'no neighbour was asked' ],
        ],
        repair => sub (@) { run('ip route add 203.0.113.0/24 dev lo') },
        errno => 101,
    ),
    {
        name   => 'no ephemeral port is left',
        site   => 'B10f',
        b      => [ 'read', [ write => http_ok() ], 'hold' ],
        conf   => 'proxy_pass http://%%b%%;',
        before => \&use_up_ports,
        after  => sub (@) { port_range( 32768, 60999 ) },
        checks => [
            [ qr/^ss -Htan .*dst/ => qr/^ *3[0-2] ESTAB$/m, qr/\A(?!.*ESTAB)/s ],
            [ qr/ip_local_port_range/ => qr/= 50000\s+50031/, qr/= 32768\s+60999/ ],
        ],
        repair => sub ( $t, $row ) {
            port_range( 32768, 60999 );
            @{ $row->{held} } = ();
            return;
        },
        errno  => 99,
        finding  => 'ports_used',
        says     => '\b3[0-2] (?:of 32 local ports|TCP sockets)',
        unsaid   => [qw(connections_used files_used)],
        evidence => { ports_max => 32 },
    },
);
push @rows, {
    name   => 'the kernel gives up before nginx does',
    site   => 'B11d',
    b      => 'own',
    listen => { backlog => 0 },
    before => sub ( $t, $row ) {
        setting( 'ipv4/tcp_syn_retries', 1 );
        return fill_queue( $t, $row );
    },
    after => sub (@) { setting( 'ipv4/tcp_syn_retries', 6 ) },
};

# A disk for temporary files with room for nothing, and for something.
sub full_disk ( $site, $size, %row ) {
    return {
        name => "a disk of $size bytes for temporary files",
        site => $site,
        b    => [ 'read', [ write => http_ok( 'x' x 200_000 ) ], 'close' ],
        conf => "proxy_temp_path %%DIR%%/disk$size;
            proxy_store %%DIR%%/stored; proxy_pass http://%%b%%;",
        before => sub ( $t, $row ) {
            my $disk = $t->dir . "/disk$size";
            run("mount -t tmpfs -o size=16k,mode=0777 tmpfs $disk");
            run("dd if=/dev/zero of=$disk/used bs=16k count=1") if !$size;
        },
        after   => sub ( $t, @ ) { run("umount -l $t->{dir}/disk$size") },
        checks  => [
            [ qr/^df -h/ => $size ? qr/tmpfs +16K / : qr/tmpfs .* 100% /, qr/tmpfs +64M .* \d% / ],
            [ qr/^df -i/ => qr/tmpfs .* \d% /, \'there was room for files' ],
            [ qr/^namei -l/ => qr/^drwxrwxrwx .* disk$size$/m, \'it may be written to' ],
        ],
        repair => sub ( $t, @ ) { run("mount -o remount,size=64m $t->{dir}/disk$size") },
        outcome => 'open',
        %row,
    };
}

# One with room for bytes, and not for a file more.
push @rows, full_disk(
    'I21a', 1,
    errno  => 28,
    before => sub ( $t, @ ) {
        run("mount -t tmpfs -o size=64m,nr_inodes=1,mode=0777 tmpfs $t->{dir}/disk1");
    },
    checks => [
        [ qr/^df -h/ => qr/tmpfs +64M .* 0% /, \'there was room for bytes' ],
        [ qr/^df -i/ => qr/tmpfs +1 .* 100% /, qr/tmpfs +1000 .* \d% / ],
        [ qr/^namei -l/ => qr/^drwxrwxrwx .* disk1$/m, \'it may be written to' ],
    ],
    repair => sub ( $t, @ ) { run("mount -o remount,nr_inodes=1000 $t->{dir}/disk1") },
);
push @rows,
  full_disk( 'I21b', 0,     errno   => 28 ),
  full_disk( 'I21c', 16384, message => qr/has written only 16384 of \d+$/ );

my @firewalled = (
    to(
        '127.0.7.1',
        site  => 'B11e',
        name  => 'a firewall says host unreachable',
        errno => 113,
    ),
    to(
        '127.0.7.2',
        site => 'B11a',
        name => 'a firewall resets',
    ),
    to(
        '127.0.7.3',
        site   => 'B13',
        name   => 'a firewall drops',
        status => 504,
    ),
);
for my $row (@firewalled) {
    $row->{skip} = 'iptables cannot be used' if !$firewall;
    push @rows, $row;
}

sub setting ( $name, $value ) {
    open my $file, '>', "/proc/sys/net/$name" or die "$name: $!\n";
    print $file $value;
}

sub ipv6 ($on) {
    setting( 'ipv6/conf/all/disable_ipv6', $on ? 0 : 1 );
    return;
}

sub port_range ( $low, $high ) {
    setting( 'ipv4/ip_local_port_range', "$low $high" );
}

# New workers, of which the kernel seems to say that a profile confines them: a
# real one cannot be loaded in a namespace, and forbids as this route does.
sub confine ( $t, @ ) {
    $t->reload;
    ( $t->{diagnosis} //= Upstream502::Diagnosis->new($t) )
      ->command( pgrep => 'echo ' . $t->nginx->pid . ';:', '' );
    my $profile = $t->write( 'profile', "/usr/sbin/nginx (enforce)\n" );
    for my $pid ( $t->nginx->pid, $t->nginx->workers ) {
        run("mount --bind $profile /proc/$pid/attr/current")
          or die "mount fails\n";
    }
    return;
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
