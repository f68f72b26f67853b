#!/usr/bin/perl

# Whatever chooses the peer: every balancer that nginx ships, and every way to
# name a target.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket               qw(AI_ADDRCONFIG MSG_DONTWAIT SOCK_STREAM getaddrinfo);
use Upstream502::Backend qw(sequence);
use Upstream502::Net     qw(accept_from bind_udp reset_close wait_for);
use Upstream502::Runner;
use Upstream502::Wire;

my $OK   = answer( http_last() );
my $ONCE = [ 'read', [ write => http_ok() ], 'read', 'close' ];

# Enough for a balancer that rolls dice to choose this peer first.
my $HEAVY = 'weight=10000000';

# [directive, how the first peer is made to be chosen first, since]
my @BALANCERS = (
    [ '',                              $HEAVY ],
    [ 'least_conn;',                   $HEAVY ],
    [ 'ip_hash;',                      $HEAVY ],
    [ 'hash $arg_k;',                  $HEAVY ],
    [ 'hash $arg_k consistent;',       '' ],
    [ 'random;',                       $HEAVY ],
    [ 'random two;',                   $HEAVY ],
    [ 'random two least_conn;',        $HEAVY ],
    [ 'least_time header;',            $HEAVY, '1.31.0' ],
    [ 'least_time last_byte;',         $HEAVY, '1.31.0' ],
    [ 'sticky cookie route;',          $HEAVY, '1.29.6' ],
    [ 'hash $arg_k; sticky cookie c;', $HEAVY, '1.29.6' ],
);

# These know nothing of servers for an emergency.
my $NO_BACKUP = qr/^(?:ip_hash|hash|random)/;

# A row on this balancer: `servers`, in shared memory or not, with a cache of
# connections or not.
sub on ( $balancer, $shared, $cached, %row ) {
    my ( $directive, undef, $since ) = @$balancer;
    my $name = join ' ', grep { length } $directive =~ s/;$//r,
      $shared ? 'zone' : (), $cached ? 'keepalive' : ();
    $directive .= ' zone %%u%% 256k;' if $shared;
    $directive .= ' keepalive 4;'     if $cached;
    my $later = delete( $row{since} ) // '0';
    return {
        %row,
        name  => ( $name || 'round robin' ) . ": $row{name}",
        since => !$since || $later gt $since ? $later : $since,
        http  => "upstream %%u%% { $directive $row{servers} }",
        conf  => ( $row{conf} // '' ) . ' proxy_pass http://%%u%%;',
        args  => $row{args} // '?k=1',
    };
}

# Where a point on a ring decides, another key is another first peer.
sub find_key ( $t, $row ) {
    my $first = $t->address("closed_$row->{number}");
    for my $key ( 1 .. 200 ) {
        my $r = $t->get("/r$row->{number}?k=$key");
        if ( $t->row($r)->{upstream_addr} =~ /^\Q$first\E\b/ ) {
            $row->{args} = "?k=$key";
            return;
        }
    }
    die "no key leads to $first\n";
}

my $DEAD = 'server 127.0.0.1:%%PORT_dead1%% FLAG; '
  . 'server 127.0.0.1:%%PORT_dead2%% FLAG;';

sub dead ($flag) { return $DEAD =~ s/FLAG/$flag/gr }

sub two_peers ( $balancer, $shared, $cached ) {
    my ( undef, $weight ) = @$balancer;
    return (
        on(
            $balancer, $shared, $cached,
            name    => 'one of two refuses',
            site    => 'B11a',
            b       => $OK,
            servers => "server %%closed%% $weight max_fails=0;
                server %%b%% max_fails=0;",
            before => $weight ? undef : \&find_key,
            saved  => 1,
            peer   => '%%closed%%',
        ),
        on(
            $balancer, $shared, $cached,
            name    => 'both refuse',
            sites   => [qw(B11a B11a)],
            servers => dead('max_fails=0'),
        ),
        on(
            $balancer, $shared, $cached,
            name          => 'both have failed too often',
            site          => 'B1b',
            servers       => dead('max_fails=1'),
            warmup        => 1,
            warmup_status => 502,
            peer          => '%%u%%',
        ),
    );
}

sub one_peer ( $balancer, $shared, $cached ) {
    return (
        on(
            $balancer, $shared, $cached,
            name    => 'all are down',
            site    => 'B1a',
            servers => dead('down'),
            peer    => '%%u%%',
        ),
        on(
            $balancer, $shared, $cached,
            name    => 'the one that is not down refuses',
            site    => 'B11a',
            servers =>
              'server %%closed%%; server 127.0.0.1:%%PORT_dead2%% down;',
            peer => '%%closed%%',
        ),
        on(
            $balancer, $shared, $cached,
            name    => 'max_conns is reached',
            site    => 'B1c',
            b       => [ 'read', 'hold' ],
            servers => 'server %%b%% max_conns=1;
                server 127.0.0.1:%%PORT_dead2%% down;',
            before => sub ( $t, $row ) {
                my $sent = $t->send("/r$row->{number}?k=1");
                $t->farm->wait_connections( "r$row->{number}_b", 1 );
                return $sent;
            },
        ),
    );
}

sub backup ( $balancer, $shared, $cached ) {
    return () if $balancer->[0] =~ $NO_BACKUP;
    return on(
        $balancer, $shared, $cached,
        name    => 'the backup saves the request',
        site    => 'B11a',
        b       => $OK,
        servers => 'server %%closed%%; server %%b%% backup;',
        saved   => 1,
        peer    => '%%closed%%',
    );
}

# Both close their first connection as soon as it is used again.
sub race ( $balancer, $shared ) {
    my ( undef, $weight ) = @$balancer;
    return on(
        $balancer, $shared, 1,
        name    => 'closed on reuse: GET is saved',
        site    => 'E5b',
        b       => sequence( $ONCE, $OK ),
        b2      => sequence( $ONCE, $OK ),
        servers => "server %%b%% $weight; server %%b2%%;",
        conf    => $KEEPALIVE,
        warmup  => 1,
        saved   => 1,
        reused  => 1,
    );
}

# Since the start nginx waits for the address of this name: with it the upstream
# gets another peer.
sub answer_look_up ( $t, $name ) {
    my $waiting = wait_for "the look-up of $name", sub {
        while ( my $from = $t->{late}->recv( my $query, 512, MSG_DONTWAIT ) ) {
            $t->{look_ups}{ ( question($query) )[0] } = [ $query, $from ];
        }
        $t->{look_ups}{$name};
    };
    my ( $query, $from ) = @$waiting;
    my $answer = dns_answers( $name => '127.0.0.1' )->($query);
    $t->{late}->send( $answer, 0, $from );
    $t->status;    # the worker reads the answer before it reads this
}

# A name is looked up behind the scenes: its peers come after the start.
sub resolved ($balancer) {
    my $peers = 'resolver %%dns%% ipv6=off; server';
    return (
        on(
            $balancer,
            1, 0,
            name    => 'the name has an address, nobody listens',
            site    => 'B11a',
            since   => '1.27.3',
            servers => "$peers host.test:%%PORT_closed%% resolve max_fails=0;",
            before  => sub ( $t, $row ) {
                wait_for 'a peer', sub {
                    my $r = $t->get("/r$row->{number}?k=1");
                    $t->row($r)->{upstream_502_cause} ne 'no_live_upstreams';
                };
            },
            peer => '127.0.0.1:%%PORT_closed%%',
        ),
        on(
            $balancer,
            1,
            0,
            name    => 'the name does not exist',
            servers => "$peers nx.test resolve;",
            peer    => '%%u%%',
            site    => 'B1f',
        ),
        on(
            $balancer,
            1,
            0,
            name    => 'the name gets an address between two attempts',
            sites   => [qw(E1 B1e)],
            b       => 'own',
            servers => 'server %%b%%; server %%b%%; server %%u%%.test resolve;
                resolver %%late%% ipv6=off; resolver_timeout 10m;',
            during => sub ( $t, $row ) {
                my $attempt = accept_from( $row->{listener}{b} );
                answer_look_up( $t, "u$row->{number}.test" );
                shutdown $row->{listener}{b}, 2;    # no second attempt
                reset_close($attempt);
            },
        ),
    );
}

# Each without and with everything; `race` needs its cache anyway.
sub balancers () {
    return map {
        (
            two_peers( $_, 0, 0 ),
            two_peers( $_, 1, 1 ),
            one_peer( $_, 0, 1 ),
            one_peer( $_, 1, 0 ),
            backup( $_, 0, 0 ),
            backup( $_, 1, 1 ),
            race( $_, 0 ),
            race( $_, 1 ),
            resolved($_),
        )
    } @BALANCERS;
}

# How nginx finds its way to a peer: PEER is the backend's address, or one
# where nobody is; PORT is its port.
my @TARGETS = (
    { name => 'an address', conf => 'proxy_pass http://PEER;' },
    {
        name => 'an upstream',
        http => 'upstream %%u%% { server PEER; }',
        conf => 'proxy_pass http://%%u%%;',
    },
    { name => 'a unix socket', unix => 1, conf => 'proxy_pass http://PEER;' },
    {
        name => 'a unix socket in an upstream',
        unix => 1,
        http => 'upstream %%u%% { server PEER; }',
        conf => 'proxy_pass http://%%u%%;',
    },
    {
        name     => 'an address in a variable',
        conf     => 'set $target PEER; proxy_pass http://$target;',
        target   => 'PEER',
    },
    {
        name => 'a name in a variable',
        conf => 'resolver %%dns%% ipv6=off; set $target host.test;
            proxy_pass http://$target:PORT;',
        target => 'host.test:PORT',
    },
    {
        name     => 'an upstream in a variable',
        http     => 'upstream %%u%% { server PEER; }',
        conf     => 'set $target %%u%%; proxy_pass http://$target;',
        upstream => '%%u%%',
    },
    {
        name     => 'a unix socket in a variable',
        unix     => 1,
        conf     => 'set $target PEER; proxy_pass http://$target;',
        target   => 'PEER',
    },
);

sub target ( $target, $peer, $port, %row ) {
    my %named =
      map { $_ => $target->{$_} =~ s/PEER/$peer/gr =~ s/\bPORT\b/$port/gr }
      keys %$target;
    return {
        %named, %row,
        name => "$target->{name}: $row{name}",
        peer => $peer,
    };
}

# Each dead one is another one: nginx takes a variable's address for the upstream
# of that address, where a directive names it.
sub targets () {
    my $number = 0;
    return map {
        $number++;
        (
            target(
                $_, '%%b%%', '%%PORT_b%%',
                name => 'closed without a response',
                site => 'E5',
                b    => [ 'read', 'close' ],
            ),
            $_->{unix}
            ? target(
                $_, "unix:%%DIR%%/none$number.sock", '',
                name  => 'there is none',
                site  => 'B10d',
                errno => 2,
              )
            : target(
                $_, "127.0.0.1:%%PORT_nobody$number%%", "%%PORT_nobody$number%%",
                name => 'nobody listens',
                site => 'B11a',
            ),
        )
    } @TARGETS;
}

# The machine decides how many addresses this name has.
sub localhost () {
    my ( undef, @addresses ) = getaddrinfo( 'localhost', undef,
        { socktype => SOCK_STREAM, flags => AI_ADDRCONFIG } );
    return {
        name     => 'a name: nobody listens',
        sites    => [ ('B11a') x @addresses ],
        conf     => 'proxy_pass http://localhost:%%PORT_nobody%%;',
        upstream => 'localhost:%%PORT_nobody%%',
    };
}

sub setup ($t) {
    $t->udp( dns => dns_answers( 'host.test' => '127.0.0.1' ) );
    $t->{late} = bind_udp();
    $t->{address}{late} = '127.0.0.1:' . $t->{late}->sockport;
}

play( [ balancers(), targets(), localhost() ], setup => \&setup );
