#!/usr/bin/perl

# Before anything is sent: names, peers, connect().

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Socket               qw(SOCK_DGRAM);
use Upstream502::Backend qw(sequence);
use Upstream502::Net     qw(fill_unix_queue listen_unix);
use Upstream502::Runner;
use Upstream502::Wire;

my $OK   = answer( http_ok() );
my $ONCE = [ 'read', [ write => http_ok() ], 'read', 'close' ];

# A socket file that nobody listens on any more.
sub abandoned ( $t, $row ) {
    IO::Socket::UNIX->new( Local => $t->dir . '/gone.sock', Listen => 1 );
    chmod 0777, $t->dir . '/gone.sock';
    return;
}

sub datagram ( $t, $row ) {
    my $path   = $t->dir . '/dgram.sock';
    my $socket = IO::Socket::UNIX->new( Local => $path, Type => SOCK_DGRAM );
    chmod 0777, $path;
    return $socket;
}

sub full_socket ( $t, $row ) {
    my $path     = $t->dir . '/full.sock';
    my $listener = listen_unix( $path, backlog => 0 );
    return [ $listener, fill_unix_queue($path) ];
}

sub setup ($t) {
    my %zone = (
        'servfail.test' => 2,
        'refused.test'  => 5,
        'notimp.test'   => 4,
        'silent.test'   => undef,
        'host.test'     => '127.0.0.1',
    );
    my %repaired = map { $_ => '127.0.0.1' } qw(nx.test silent.test);
    $t->udp(
        dns => sub ($query) {
            return dns_answers( -e "$t->{dir}/repaired" ? %repaired : %zone )->($query);
        }
    );
}

sub dns ( $name, %row ) {
    return {
        site => 'A23a',
        conf => "resolver %%dns%% ipv6=off; resolver_timeout 300ms;
            set \$target $name.test; proxy_pass http://\$target;",
        target => "$name.test",
        %row,
    };
}

my $RESOLVER = [ qr/-e resolver / => qr/resolver 127\.0\.0\.1:\d+/, \'its address is right' ];
my $KNOWN    = qr/^\w+\.test\.\s.*\sA\s+127\.0\.0\.1$/m;
my ($dig)    = grep { -x } map { "$_/dig" } split /:/, $ENV{PATH};
my @DNS      = (
    before => sub ( $t, @ ) {
        ( $t->{diagnosis} //= Upstream502::Diagnosis->new($t) )
          ->command( dig => "$dig +time=1 +tries=1" ) if $dig;
        return;
    },
    repair => sub ( $t, @ ) { return $t->write( 'repaired', '' ) },
    after  => sub ( $t, @ ) { unlink "$t->{dir}/repaired" },
    $dig ? () : ( checks => undef ),
);

my @names = (
    {
        name     => 'variable target, no resolver',
        site     => 'A22',
        conf     => 'set $target name.test; proxy_pass http://$target;',
        target   => 'name.test',
        message  => qr/^no resolver defined to resolve name\.test$/,
        not_in   => 'angie|tengine',    # they ask those of /etc/resolv.conf
    },
    dns(
        'nx',
        name    => 'NXDOMAIN',
        message => qr/^nx\.test could not be resolved \(3: Host not found\)$/,
        checks  => [ $RESOLVER, [ qr/then dig / => qr/status: NXDOMAIN/, $KNOWN ] ],
        @DNS,
        unsaid  => [qw(resolver_unanswered hosts_only)],
    ),
    dns(
        'servfail',
        name    => 'SERVFAIL',
        message => qr/\(2: Server failure\)$/,
        finding => 'resolver_unanswered',
        says    => '^servfail\.test: name server %%dns%% answered SERVFAIL',
        unsaid  => 'hosts_only',
    ),
    dns(
        'refused',
        name    => 'REFUSED',
        message => qr/\(5: Operation refused\)$/,
        finding => 'resolver_unanswered',
        says    => '%%dns%% answered REFUSED',
    ),
    dns( 'notimp', name => 'NOTIMP', message => qr/\(4: Unimplemented\)$/ ),
    dns(
        'silent',
        name    => 'the resolver is silent',
        site    => 'A23b',
        message => qr/\(110: Operation timed out\)$/,
        finding => 'resolver_unanswered',
        says    => '%%dns%% did not answer within resolver_timeout$',
        checks  => [ $RESOLVER, [ qr/then dig / => qr/no servers could be reached/, $KNOWN ] ],
        @DNS,
    ),
    {
        name => 'a name that is in /etc/hosts only',
        site => 'A23a',
        conf => 'resolver %%dns%% ipv6=off; resolver_timeout 300ms;
            set $target localhost; proxy_pass http://$target;',
        target  => 'localhost',
        finding => 'hosts_only',
        says    => '^the name is \S+ in /etc/hosts, which nginx.s resolver',
        unsaid  => 'resolver_unanswered',
    },
    {
        name => 'a resolved name, nobody listens',
        site => 'B11a',
        conf => 'resolver %%dns%% ipv6=off; set $target host.test;
            proxy_pass http://$target:%%PORT_resolved%%;',
        target => 'host.test:%%PORT_resolved%%',
        peer   => '127.0.0.1:%%PORT_resolved%%',
    },
    {
        name     => 'an address in a variable, nobody listens',
        site     => 'B11a',
        conf     => 'set $target %%closed%%; proxy_pass http://$target;',
        target   => '%%closed%%',
        peer     => '%%closed%%',
    },
    {
        name => 'a resolved name that answers',
        b    => $OK,
        conf => 'resolver %%dns%% ipv6=off; set $target host.test;
            proxy_pass http://$target:%%PORT_b%%;',
        target => 'host.test:%%PORT_b%%',
    },
    {
        name     => 'an address in a variable that answers',
        b        => $OK,
        conf     => 'set $target %%b%%; proxy_pass http://$target;',
        target   => '%%b%%',
    },
);

# A target from a variable that is none: nginx answers 500.
sub impossible ( $site, $name, $directive, $target, %row ) {
    return {
        name   => $name,
        site   => $site,
        conf   => "set \$target '$target'; $directive\$target;",
        status => 500,
        %row,
    };
}

my $HTTP       = 'proxy_pass http://';
my @impossible = (
    impossible(
        A1 => 'a URL from a variable without http://',
        'proxy_pass ', 'ftp://x.test',
        message => qr/^invalid URL prefix in "ftp:/,
    ),
    impossible(
        A2a => 'a URL with a port that is none',
        $HTTP, '127.0.0.1:99999'
    ),
    impossible( A2b => 'a URL with an open bracket', $HTTP, '[::1' ),
    impossible( A2c => 'a URL with no host',         $HTTP, ':80' ),
    impossible(
        A2d => 'a URL with brackets round no address',
        $HTTP, '[zz]:80'
    ),
    impossible(
        A2e => 'a URL with no path of a unix socket',
        $HTTP, 'unix:'
    ),
    impossible(
        A2f => 'a URL with a path too long for a unix socket',
        $HTTP, 'unix:/' . 'x' x 200
    ),
    (
        map {
            impossible(
                A3 => "$_: a port that is none",
                "${_}_pass ", '127.0.0.1:99999',
                protocol => undef    # which nginx may not have noted yet
            )
        } qw(fastcgi uwsgi scgi grpc)
    ),
    {
        name    => 'a FastCGI target without a port',
        site    => 'A19',
        conf    => 'set $target host.test; fastcgi_pass $target;',
        status  => 500,
        message => qr/^no port in upstream "host\.test"$/,
    },
    {
        name => 'a cache that does not exist',
        site => 'A8',
        http => 'proxy_cache_path %%DIR%%/cache keys_zone=c:1m;',
        conf => 'set $zone none; proxy_cache $zone;
            proxy_pass http://%%closed%%;',
        status  => 500,
        message => qr/^cache "none" not found$/,
    },
    {
        name    => 'bind() to an address that is not here',
        site    => 'B6',
        b       => $OK,
        conf    => 'proxy_bind 198.51.100.77; proxy_pass http://%%b%%;',
        status  => 500,
        errno   => 99,
        message => qr/^bind\(198\.51\.100\.77\) failed \(99: /,
    },
    {
        name => 'a local address from a variable that is none',
        site => 'A18',
        b    => $OK,
        conf => 'set $local nowhere; proxy_bind $local;
            proxy_pass http://%%b%%;',
    },
);

my @select = (
    {
        name    => 'every peer is marked down',
        site    => 'B1a',
        http    => 'upstream %%u%% { server %%closed%% down; }',
        conf    => 'proxy_pass http://%%u%%;',
        peer    => '%%u%%',
        finding => 'peers_down',
        says    => '^%%closed%% is marked down$',
    },
    {
        name => 'every peer has failed too often',
        site => 'B1b',
        http => 'upstream %%u%% { server 127.0.0.1:%%PORT_dead1%%;
            server 127.0.0.1:%%PORT_dead2%%; }',
        conf          => 'proxy_pass http://%%u%%;',
        warmup        => 1,
        warmup_status => 502,
        peer          => '%%u%%',
        finding       => 'peers_down',
        says          => '^127\.0\.0\.1:%%PORT_dead1%% failed 1 time '
          . '\(last connection_refused, \d s ago; out for \d+ s more\), '
          . '127\.0\.0\.1:%%PORT_dead2%% failed 1 time ',
    },
    {
        name   => 'max_conns is reached',
        site   => 'B1c',
        b      => [ 'read', 'hold' ],
        http   => 'upstream %%u%% { server %%b%% max_conns=1; }',
        conf   => 'proxy_pass http://%%u%%;',
        before => sub ( $t, $row ) {
            my $sent = $t->send("/r$row->{number}");
            $t->farm->wait_connections( "r$row->{number}_b", 1 );
            return $sent;
        },
        finding => 'peers_down',
        says    => '^%%b%% has 1 of 1 connections \(max_conns\)$',
    },
    {
        name => 'no name of the upstream can be resolved',
        site => 'B1f',
        not_in => 'tengine',    # whose worker dies of it
        http => 'upstream %%u%% { zone z 128k; resolver %%dns%% ipv6=off;
            server nx.test resolve; }',
        conf => 'proxy_pass http://%%u%%;',
    },
    {
        name  => 'two peers close their cached connections',
        sites => [qw(E5b E5b B1d)],
        b     => sequence($ONCE),
        b2    => sequence($ONCE),
        http  => 'upstream %%u%% { server %%b%%; server %%b2%%; keepalive 4; }',
        conf  => "$KEEPALIVE proxy_pass http://%%u%%;",
        warmup  => 2,
        finding => 'sent_again',
        says    => '^the request had been sent to 2 servers: ',
    },
    {
        name   => 'two dead peers, and nginx says that it gives them up',
        unsaid => 'sent_again',
        sites  => [qw(B11a B11a B15)],
        http  => 'upstream %%u%% { server 127.0.0.1:%%PORT_dead3%%;
            server 127.0.0.1:%%PORT_dead4%%; }',
        conf => 'proxy_pass http://%%u%%;',
    },
);

my @connect = (
    {
        name => 'nobody listens, IPv6',
        site => 'B11a',
        conf => 'proxy_pass http://[::1]:%%PORT_v6%%;',
        peer => '[::1]:%%PORT_v6%%',
    },
    {
        name => 'nobody listens on the port',
        site => 'B11a',
        conf => 'proxy_pass http://%%closed%%;',
        peer => '%%closed%%',
    },
    {
        name    => 'nobody listens on the unix socket',
        site    => 'B10a',
        conf    => 'proxy_pass http://unix:%%DIR%%/gone.sock;',
        before  => \&abandoned,
        message => qr/^connect\(\) to unix:.*gone\.sock failed \(111: /,
    },
    {
        name  => 'no route to the address',
        site  => 'B10b',
        conf  => 'proxy_pass http://255.255.255.255:80;',
        errno => 101,
        peer  => '255.255.255.255:80',
    },
    {
        name   => 'the accept queue of the unix socket is full',
        site   => 'B10c',
        conf   => 'proxy_pass http://unix:%%DIR%%/full.sock;',
        before => \&full_socket,
    },
    {
        name  => 'the unix socket does not exist',
        site  => 'B10d',
        conf  => 'proxy_pass http://unix:%%DIR%%/missing.sock;',
        peer  => 'unix:%%DIR%%/missing.sock',
        errno => 2,
    },
    {
        name  => 'the unix socket is below a file',
        site  => 'B10d',
        conf  => 'proxy_pass http://unix:%%DIR%%/nginx.conf/x.sock;',
        errno => 20,
    },
    {
        name   => 'the unix socket may not be used',
        site   => 'B10e',
        b      => $OK,
        unix   => 1,
        listen => { mode => 0 },
        errno  => 13,
    },
    {
        name  => 'a link-local address without its scope',
        site  => 'B10g',
        conf  => 'proxy_pass http://[fe80::1]:80;',
        peer  => '[fe80::1]:80',
        errno => 22,
    },
    {
        name   => 'a unix socket of another type',
        site   => 'B10g',
        conf   => 'proxy_pass http://unix:%%DIR%%/dgram.sock;',
        before => \&datagram,
        errno  => 91,
    },
    {
        name   => 'the accept queue of the port is full',
        site   => 'B13',
        b      => 'own',
        listen => { backlog => 0 },
        conf   => "proxy_connect_timeout 300ms; $PASS",
        before => \&fill_queue,
        status => 504,
    },
);

# Every other protocol to every kind of target.
my %PASS = (
    fastcgi   => 'fastcgi_pass TARGET;',
    uwsgi     => 'uwsgi_pass TARGET;',
    scgi      => 'scgi_pass TARGET;',
    grpc      => 'grpc_pass grpc://TARGET;',
    memcached => 'set $memcached_key k; memcached_pass TARGET;',
);

sub target ( $protocol, $kind, $target, %row ) {
    return {
        name => "$protocol to $kind",
        site => 'B11a',
        conf => $PASS{$protocol} =~ s/TARGET/$target/r,
        %row,
    };
}

my @targets = map {
    my $protocol = $_;
    my @variable = $protocol eq 'memcached'   # memcached_pass takes no variable
      ? ()
      : (
        target(
            $protocol, 'an address in a variable',
            '$target', target => '%%closed%%',
        ),
        target(
            $protocol, 'a name in a variable',
            '$target', target => 'host.test:%%PORT_gone%%',
        ),
        target(
            $protocol, 'a name that cannot be resolved', '$target',
            site   => 'A23a',
            target => 'nx.test:%%PORT_gone%%',
        )
      );
    for my $row (@variable) {
        $row->{conf} = 'resolver %%dns%% ipv6=off;
            set $target ' . $row->{target} . "; $row->{conf}";
    }
    (
        target( $protocol, 'an address',      '%%closed%%' ),
        target( $protocol, 'an IPv6 address', '[::1]:%%PORT_gone%%' ),

        # Nothing nginx takes for an address: the C library turns it into one.
        target( $protocol, 'a name', '127.1:%%PORT_gone%%' ),
        target(
            $protocol, 'an upstream',
            '%%u%%',   http => 'upstream %%u%% { server %%closed%%; }',
        ),
        target(
            $protocol, 'a unix socket', 'unix:%%DIR%%/none.sock',
            site  => 'B10d',
            errno => 2,
        ),
        @variable,
    )
} sort keys %PASS;

play( [ @names, @impossible, @select, @connect, @targets ], setup => \&setup );
