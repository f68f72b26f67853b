#!/usr/bin/perl

# Five reasons of a refused connection, told apart by what the kernel knows.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Upstream502::Clock;
use Upstream502::Diagnosis qw(edits);
use Upstream502::Namespace;
use Upstream502::Net qw(listen_tcp listen_unix);
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Wire;

enter_namespace();

my $firewall =
  firewall('OUTPUT -d 127.0.7.2 -p tcp -j REJECT --reject-with tcp-reset');

# All sockets are looked through twice a second at most.
sub abandoned ( $t, $row ) {
    $t->{clock}->pass(1);
    my $path = $t->dir . '/gone.sock';
    IO::Socket::UNIX->new( Local => $path, Listen => 1 );
    chmod 0777, $path;
    return;
}

sub absent ( $t, $row ) {
    my $path = $t->dir . '/php8.2-fpm.sock';
    return IO::Socket::UNIX->new( Local => $path, Listen => 1 );
}

# Ports that a rule of routing forbids: the local ones come after it.
sub forbid (@ports) {
    quietly('ip rule add pref 10 lookup local') && quietly('ip rule del pref 0') or return 0;
    return !grep { !quietly("ip rule add pref 5 ipproto tcp dport $_ prohibit") } @ports;
}

my $forbidden = forbid( 8101, 8102 );

# A port of this machine that a rule leads elsewhere, as those of Docker.
my $LEADS = 'OUTPUT -d 10.9.0.1 -p tcp --dport 30080 -j REDIRECT --to-ports 8105';
my $led   = quietly("iptables -t nat -A $LEADS");

sub forbidden ( $port, $listens, %row ) {
    return {
        site     => 'B10e',
        errno    => 13,
        conf     => "proxy_pass http://127.0.7.5:$port;",
        before   => sub (@) { $listens && listen_tcp( host => '127.0.7.5', port => $port ) },
        skip     => $forbidden ? undef : 'no rules of routing for ports',
        evidence => { where => 'this_machine', listening => $listens },
        %row,
    };
}

play(
    [
        {
            name     => 'nothing listens there at all',
            site     => 'B11a',
            conf     => 'proxy_pass http://127.0.7.9:80;',
            finding  => 'port_closed',
            says     => '^nothing listens on 127\.0\.7\.9:80$',
            unsaid   => [qw(rejected other_address service_gone)],
            evidence => { listening => 0, named => undef },
            checks   => [
                [ qr/^ss -Hltnp 'sport/ => qr/\A\z/, qr/^LISTEN .* 127\.0\.7\.9:80 /m ],
                [
                    qr/^ss -Hltnp \|\|/ => qr/\A(?!.* 127\.0\.7\.9:80 ).*^LISTEN /ms,
                    qr/^LISTEN .* 127\.0\.7\.9:80 /m
                ],
                [
                    qr/^nginx -T/ => qr/proxy_pass http:\/\/127\.0\.7\.9:80;/,
                    qr/\A\z/,
                    edits( 'http://127.0.7.9:80', 'http://127.0.7.9:8080' )
                ],
            ],
            repair => sub (@) { listen_tcp( host => '127.0.7.9', port => 80 ) },
        },
        {
            name    => 'a rule has led the port elsewhere',
            site    => 'B11a',
            conf    => 'proxy_pass http://10.9.0.1:30080;',
            skip    => $led ? undef : 'no rules for addresses',
            finding => 'port_closed',
            before  => sub (@) {
                quietly('ip addr add 10.9.0.1/32 dev lo');
                return Upstream502::Service->answering( listen_tcp( port => 8105 ), http_last() );
            },
            after  => sub (@) { quietly('ip addr del 10.9.0.1/32 dev lo') },
            warmup => 1,
            ask    => sub ( $t, $row, $uri, %send ) {
                quietly("iptables -t nat -D $LEADS");
                return $t->get( $uri, %send );
            },
            checks => [
                [ qr/^ss -Hltnp 'sport/ => qr/\A\z/,     \'nobody has to listen there' ],
                [ qr/^ss -Hltnp \|\|/   => qr/^LISTEN /m, \'nobody has to listen there' ],
                [ qr/^nginx -T/ => qr/10\.9\.0\.1:30080/, \'it was not wrong' ],
                [ qr/^nft list .* grep -w 30080/ => qr/\A\z/, qr/10\.9\.0\.1.* 30080 / ],
            ],
            repair => sub (@) { quietly("iptables -t nat -A $LEADS") },
        },
        {
            name    => 'another port of the address is listened on',
            site    => 'B11a',
            b       => answer( http_ok() ),
            conf    => 'proxy_pass http://%%closed%%;',
            finding => 'port_closed',
            says    => 'open ports at that address: .*\b%%PORT_b%%\b',
            lacks   => '\b%%PORT_http%%\b',
        },
        {
            name    => 'another address is listened on',
            site    => 'B11a',
            conf    => 'proxy_pass http://127.0.0.1:8093;',
            before  => sub (@) { listen_tcp( host => '127.0.0.2', port => 8093 ) },
            finding => 'other_address',
            says    => 'that port is open, but only on 127\.0\.0\.2',
            unsaid  => 'port_closed',
            checks  => [
                [
                    qr/^ss -Hltnp 'sport/ => qr/^LISTEN .* 127\.0\.0\.2:\d+ /m,
                    qr/^LISTEN .* 127\.0\.0\.1:\d+ /m
                ],
                [ qr/^nginx -T/ => qr/127\.0\.0\.1:8093/, \'the service moves' ],
            ],
            repair => sub ( $t, $row ) {
                close $row->{held};
                return listen_tcp( port => 8093 );
            },
        },
        {
            name    => 'the other family is listened on',
            site    => 'B11a',
            b       => 'own',
            listen  => { host => '::1' },
            finding => 'other_address',
            says    => 'that port is open, but only on ::1$',
            skip    => -e '/proc/net/if_inet6' ? undef : 'no IPv6',
        },
        {
            name     => 'the socket is stale',
            site     => 'B10a',
            conf     => 'proxy_pass http://unix:%%DIR%%/gone.sock;',
            before   => \&abandoned,
            finding  => 'socket_stale',
            says     => 'gone\.sock',
            evidence => { path_kind => 'socket', listening => 0 },
            checks   => [
                [ qr/^ss -Hlxnp src / => qr/\A\z/, qr{ LISTEN .*/gone\.sock }m ],
            ],
            repair => sub ( $t, @ ) {
                unlink "$t->{dir}/gone.sock";
                return listen_unix("$t->{dir}/gone.sock");
            },
        },
        {
            name   => 'a firewall resets though a service listens',
            site   => 'B11a',
            conf   => 'proxy_pass http://127.0.7.2:8080;',
            before =>
              sub (@) { listen_tcp( host => '127.0.7.2', port => 8080 ) },
            finding => 'rejected',
            says    => 'a service \(uid 0\) listens on 127\.0\.7\.2:8080',
            unsaid  => 'port_closed',
            checks  => [
                [ qr/^nc -vz/ => qr/refused/, qr/^connected$/m ],
                [
                    qr/^nft list/ => qr/REJECT --reject-with tcp-reset/,
                    qr/\A(?!.*REJECT)/s
                ],
            ],
            repair => sub (@) { quietly('iptables -F OUTPUT') },
            skip    => $firewall ? undef : 'iptables cannot be used',
        },
        {
            name   => 'a firewall says unreachable though a service listens',
            site   => 'B11e',
            errno  => 113,
            conf   => 'proxy_pass http://127.0.7.3:8080;',
            before => sub (@) {
                firewall( 'OUTPUT -d 127.0.7.3 -j REJECT'
                      . ' --reject-with icmp-host-unreachable' );
                return listen_tcp( host => '127.0.7.3', port => 8080 );
            },
            finding => 'rejected',
            says    => 'listens on 127\.0\.7\.3:8080, and .* does not let nginx connect',
            skip    => $firewall ? undef : 'iptables cannot be used',
        },
        forbidden(
            8101, 1,
            name    => 'a route is forbidden though a service listens',
            finding => 'rejected',
            says    => 'listens on 127\.0\.7\.5:8101, and .* does not let nginx connect',
            unsaid  => [qw(confined no_permission)],
        ),
        forbidden(
            8102, 0,
            name   => 'a route is forbidden, and nothing listens',
            unsaid => [qw(rejected confined)],
        ),
        {
            name    => 'the socket has another name',
            site    => 'B10d',
            errno   => 2,
            conf    => 'proxy_pass http://unix:%%DIR%%/php-fpm.sock;',
            before  => \&absent,
            finding => 'socket_absent',
            says    => 'php8\.2-fpm\.sock',
            checks  => [
                [
                    qr/^ls -l / => qr/\A(?!.*\bphp-fpm\.sock).*php8\.2-fpm/s,
                    qr/ php-fpm\.sock$/m
                ],
                [
                    qr/^ss -Hlxnp \| grep/ => qr{\A(?!.*/php-fpm\.sock ).* LISTEN .*/php8\.2-fpm\.sock }s,
                    qr{ LISTEN .*/php-fpm\.sock }
                ],
            ],
            repair => sub ( $t, @ ) { listen_unix("$t->{dir}/php-fpm.sock") },
        },
        {
            name => 'nobody is asked where evidence is off',
            site => 'B11a',
            conf => 'upstream_502_evidence off;
                proxy_pass http://127.0.7.9:81;',
            unsaid   => 'port_closed',
            evidence => { listening => undef, where => undef },
        },
    ],
    setup => sub ($t) { $t->{clock} = Upstream502::Clock->new( $t->dir ) },
);
