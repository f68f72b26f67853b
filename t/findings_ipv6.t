#!/usr/bin/perl

# What firewalls and full queues do to connections over IPv6, where addresses
# are longer and packets have a firewall of their own.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from fill_tcp_queue listen_tcp);
use Upstream502::Runner;
use Upstream502::Wire;

plan skip_all => 'no IPv6' if !-e '/proc/net/if_inet6';
enter_namespace();
plan skip_all => 'ip6tables cannot be used'
  if !rule( 8200, 'REJECT --reject-with tcp-reset' );

# What is sent to a port, and what comes from it.
sub rule ( $port, $does ) {
    return firewall( "OUTPUT -d ::1 -p tcp --dport $port -j $does", 'ip6tables' );
}

sub stop_answers ($port) {
    firewall( "OUTPUT -s ::1 -p tcp --sport $port -j DROP", 'ip6tables' )
      or die "ip6tables\n";
}

# A row with a port of its own, the rule that it meets, and whether a service
# listens there.
sub to ( $port, $does, $listens, %row ) {
    my $limit = delete $row{limit} // '300ms';
    return {
        conf => "proxy_connect_timeout $limit; proxy_pass http://[::1]:$port;",
        peer => "[::1]:$port",
        before => sub (@) {
            rule( $port, $does ) or die "ip6tables\n" if $does;
            return $listens && listen_tcp( host => '::1', port => $port );
        },
        %row,
    };
}

my $RESET       = 'REJECT --reject-with tcp-reset';
my $UNREACHABLE = 'REJECT --reject-with icmp6-addr-unreachable';

my @rows = (
    to(
        8201, $RESET, 1,
        name     => 'a firewall resets though a service listens',
        site     => 'B11a',
        finding  => 'rejected',
        says     => 'listens on \[::1\]:8201, and the connection was refused',
        unsaid   => [qw(port_closed other_address)],
        evidence => { where => 'this_machine', listening => 1 },
    ),
    to(
        8202, $RESET, 0,
        name     => 'a firewall resets, and nothing listens',
        site     => 'B11a',
        finding  => 'port_closed',
        unsaid   => 'rejected',
        evidence => { listening => 0 },
    ),
    # Linux heeds the second such answer: a second later.
    to(
        8203, $UNREACHABLE, 1,
        limit   => '10s',
        name    => 'a firewall says unreachable though a service listens',
        site    => 'B11e',
        errno   => 113,
        finding => 'rejected',
        says    => 'listens on \[::1\]:8203, and this machine does not let nginx connect',
    ),
    to(
        8204, $UNREACHABLE, 0,
        limit  => '10s',
        name   => 'a firewall says unreachable, and nothing listens',
        site   => 'B11e',
        errno  => 113,
        unsaid => 'rejected',
    ),
    to(
        8205, 'DROP', 1,
        name     => 'requests to connect are dropped',
        site     => 'B13',
        status   => 504,
        finding  => 'syn_unanswered',
        says     => '^1 connection request to \[::1\]:8205 had no answer',
        unsaid   => [qw(queue_full port_closed other_address)],
        evidence => { queue => 0 },
    ),
    to(
        8206, undef, 0,
        name   => 'the accept queue is full',
        site   => 'B13',
        status => 504,
        before => sub (@) {
            my $full = listen_tcp( host => '::1', port => 8206, backlog => 0 );
            return [ $full, fill_tcp_queue( 8206, '::1' ) ];
        },
        finding => 'queue_full',
        says    => '^the accept queue of \[::1\]:8206 is full: .* room for 0$',
        unsaid  => 'syn_unanswered',
    ),
    kept(
        8207,
        name    => 'nothing of what is sent is acknowledged',
        lost    => 1,
        finding => 'unacknowledged',
        says    => '^\[::1\]:8207 never acknowledged \d+ bytes, sent [2-9] times',
        unsaid  => 'no_answer',
    ),
    kept(
        8208,
        name    => 'all of it is, and no answer comes',
        finding => 'no_answer',
        says    => '^the service on \[::1\]:8208 has read all of the request',
        unsaid  => 'unacknowledged',
    ),
);

# A kept connection: its first request is answered, of the second nothing
# arrives, or it is read and that is all.
sub kept ( $port, %row ) {
    return {
        site => 'E6',
        http => "upstream %%u%% { server [::1]:$port; keepalive 1; }",
        conf => "$KEEPALIVE proxy_read_timeout 1500ms; proxy_pass http://%%u%%;",
        status => 504,
        reused => 1,
        before => sub ( $t, $row ) {
            my $listener = listen_tcp( host => '::1', port => $port );
            my $sent     = $t->send("/r$row->{number}");
            my $socket   = accept_from($listener);
            sysread $socket, my $bytes, 65536;
            syswrite $socket, http_ok();
            $t->read($sent);
            $t->nginx->wait_idle;
            stop_answers($port) if $row->{lost};
            return [ $listener, $socket ];
        },
        during => sub ( $t, $row ) {
            sysread $row->{held}[1], my $bytes, 65536 if !$row->{lost};
        },
        %row,
    };
}

play( \@rows );
