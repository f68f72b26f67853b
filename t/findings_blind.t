#!/usr/bin/perl

# Where the kernel cannot be asked: a sandbox that forbids it, no /proc, no
# privileges. Causes are the same, what has to be seen is not said, and there
# is no more in the error log than nginx puts there.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Http qw(connect_to);
use Upstream502::Namespace;
use Upstream502::Net     qw(listen_tcp listen_unix);
use Upstream502::Seccomp qw(can_seccomp);
use Upstream502::Test;

enter_namespace();

# What each location fails with, and what the kernel's sockets tell of it.
my %FAILS = (
    refused => [ 'connection_refused',     qw(port_closed other_address) ],
    stale   => [ 'connection_refused',     'socket_stale' ],
    missing => [ 'socket_missing',         'socket_hidden' ],
    closes  => [ 'closed_before_response', qw(service_gone still_listening) ],
    hangs   => [ 'read_timeout',           qw(not_accepted not_read) ],
    waits   => [ 'read_timeout',           qw(not_accepted not_read) ],
);
my @SOCKETS = qw(accepted unread_bytes listening queue named);

my @perl    = ( $^X, "-I$FindBin::Bin/lib" );
my $asan    = $ENV{TEST_NGINX_ASAN} ? 'the sanitizer reads its options in /proc' : undef;
my @no_proc = (
    qw(unshare -m sh -c),
    'mount -t tmpfs tmpfs /proc && exec "$@"', 'sh'
);
my @WAYS = (
    {
        name => 'nothing is in the way',
        sees => 1,
    },
    {
        name => 'sock_diag is forbidden',
        as   => [ @perl, qw(-MUpstream502::Seccomp -e without_netlink) ],
        skip => can_seccomp() ? undef : 'the filter is for another processor',
    },
    {
        name => 'there is no /proc',
        as     => \@no_proc,
        skip   => $asan,
        sees   => 1,
        unseen => [qw(oom_kills oom_seconds)],
    },
    {
        name => 'nginx is nobody',
        as   => [qw(setpriv --reuid nobody --regid nogroup --clear-groups)],
        own  => 1,
        sees => 1,
        skip => $> == 0 ? undef : 'it is already',
    },
);

for my $way (@WAYS) {
    subtest $way->{name} => sub {
        plan skip_all => $way->{skip} if $way->{skip};
        play($way);
    };
}
# What this machine ran out of, and forbids: only /proc tells.
for my $blind ( 0, 1 ) {
    subtest $blind ? 'limits, and there is no /proc' : 'limits' => sub {
        plan skip_all => 'the filter is for another processor' if !can_seccomp();
        plan skip_all => $asan if $blind && $asan;
        play_limits($blind);
    };
}
done_testing;

sub play_limits ($blind) {
    my $t = Upstream502::Test->new( allow => [qr/socket\(\) failed \(23: /] );
    $t->tcp( ports => [ 'read', 'hold' ] );
    $t->conf( server => <<'CONF' );
location /files { proxy_pass http://unix:%%DIR%%/app.sock; }
location /ports { proxy_pass http://%%ports%%; }
location /forbidden { proxy_pass http://198.51.100.4; }
CONF
    quietly('ip route replace prohibit 198.51.100.4') or die "ip route\n";
    $t->nginx->{as} =
      [ $blind ? @no_proc : (), @perl, qw(-MUpstream502::Seccomp -e without_files) ];
    $t->start;
    confine($t);
    my %found = ( files => 'files_used', ports => 'ports_used', forbidden => 'confined' );
    for my $name ( sort keys %found ) {
        my $held   = $name eq 'ports' ? use_up( $t->{ports}{ports} ) : undef;
        my $object = $t->object( $t->get("/$name") );
        port_range( 32768, 60999 );
        my @names = map { $_->{name} } @{ $object->{findings} };
        is $object->{cause},
          $name eq 'forbidden' ? 'permission_denied' : 'local_exhausted', "$name: cause";
        is_deeply [ grep { /_used$|^confined$/ } @names ], [ $blind ? () : $found{$name} ],
          "$name: found is what is seen"
          or diag explain $object;
        is $object->{evidence}{confinement}, $blind ? undef : 'apparmor',
          'who confines nginx'
          if $name eq 'forbidden';
    }
    is_deeply [ complaints($t) ], [], 'nothing more is in the error log';
    quietly('umount /proc/*/attr/current');
    $t->finish;
}

# Where /proc is seen, a profile of AppArmor is, too: netns.t.
sub confine ($t) {
    my $profile = $t->write( 'profile', "/usr/sbin/nginx (enforce)\n" );
    quietly("mount --bind $profile /proc/$_/attr/current") or die "mount fails\n"
      for $t->nginx->workers;
}

# Every port of a small range is connected to it already.
sub use_up ($port) {
    port_range( 50_000, 50_031 );
    my @held;
    while ( @held < 64 ) {
        push @held, eval { connect_to($port) } // last;
    }
    return \@held;
}

sub port_range ( $low, $high ) {
    quietly("sysctl -w net.ipv4.ip_local_port_range='$low $high'") or die "sysctl\n";
}

# What the error log has beside nginx's own lines of the attempts.
sub complaints ($t) {
    return grep { !/ while (?:connecting to|reading response header from) upstream/ }
      grep { /\[(?:warn|error|crit|alert|emerg)\]/ && !/"user" directive/ }
      split /\n/, $t->error_log;
}

sub play ($way) {
    my $t = Upstream502::Test->new;
    my ( $stale, $waits ) = map { $t->dir . "/$_.sock" } qw(stale waits);
    close listen_unix($stale);
    my @held = ( listen_tcp(), listen_unix($waits) );
    $t->{address}{hangs} = '127.0.0.1:' . $held[0]->sockport;
    $t->tcp( closes => [ 'read', 'close' ] );
    my %to = (
        missing => 'unix:%%DIR%%/none.sock',
        refused => '127.0.7.9:80',
        map { $_ => "unix:%%DIR%%/$_.sock" } qw(stale waits)
    );
    $t->conf(
        http   => 'proxy_read_timeout 200ms;',
        server => join '',
        map { "location /$_ { proxy_pass http://"
              . ( $to{$_} // "%%$_%%" ) . '; }' } keys %FAILS
    );
    if ( $way->{own} ) {
        chown +( getpwnam 'nobody' )[ 2, 3 ], $t->dir;
        chmod 0777, $stale, $waits;
    }
    $t->nginx->{as} = $way->{as} if $way->{as};
    $t->start;
    fails( $t, $way, $_ ) for sort keys %FAILS;
    is_deeply [ complaints($t) ], [], 'nothing more is in the error log';
    $t->finish;
}

sub fails ( $t, $way, $name ) {
    my ( $cause, @findings ) = @{ $FAILS{$name} };
    my ( $object, $evidence );

    # On a busy machine what takes long is asked but twice a second.
    my $looked = wait_for "the kernel's answer about $name", sub {
        $object   = $t->object( $t->get("/$name") );
        $evidence = $object->{evidence} // {};
        return !$way->{sees} || grep { defined $evidence->{$_} }
          qw(listening accepted);
    };
    my %found    = map { $_->{name} => $_->{text} } @{ $object->{findings} };
    is $object->{cause}, $cause, "$name: $cause";
    if ( $way->{sees} ) {
        ok $looked, "$name: sockets were looked at" or diag explain $object;
    }
    else {
        is $evidence->{$_}, undef, "$name: no $_" for @SOCKETS;
        ok !$found{$_}, "$name: not found: $_" for @findings;
    }
    is $evidence->{$_}, undef, "$name: no $_" for @{ $way->{unseen} // [] };
}
