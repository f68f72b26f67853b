#!/usr/bin/perl

# What became of a connection, told apart whatever is spoken over it, and
# whatever it is made of: five reasons of a missing answer for each, and the
# reasons why it was refused.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Namespace;
use Upstream502::Net qw(accept_from listen_tcp listen_unix);
use Upstream502::Runner;
use Upstream502::Wire;

enter_namespace();

my %PASS = (
    proxy   => 'proxy_pass http://ADDRESS;',
    fastcgi => 'fastcgi_pass ADDRESS;',
    uwsgi   => 'uwsgi_pass ADDRESS;',
    grpc    => 'grpc_pass grpc://ADDRESS;',
);

# An address for each row, and who listens there.
my %OVER = (
    IPv4 => {
        address => sub ($n) { "127.0.8.1:$n" },
        listen  => sub ( $t, $n ) {
            listen_tcp( host => '127.0.8.1', port => $n );
        },
    },
    IPv6 => {
        address => sub ($n) { "[::1]:$n" },
        listen  => sub ( $t, $n ) { listen_tcp( host => '::1', port => $n ) },
        skip    => -e '/proc/net/if_inet6' ? undef : 'no IPv6',
    },
    unix => {
        address => sub ($n) { "unix:%%DIR%%/$n.sock" },
        listen  => sub ( $t, $n ) { listen_unix( $t->dir . "/$n.sock" ) },
    },
);

# The request is taken and read, as much as there is.
sub take ( $t, $row ) {
    my $socket = accept_from( $row->{held} );
    sysread $socket, my $request, 65536;
    return $row->{taken} = $socket;
}

my @TIMEOUT = ( site => 'E6', status => 504 );
my @NOBODY  = qw(service_gone still_listening);
my %BECOMES = (
    not_accepted => {
        @TIMEOUT,
        says     => 'the service never did; \d+ waits? for it',
        unsaid   => [ qw(no_answer not_read), @NOBODY ],
        evidence => { accepted => 0 },
    },
    not_read => {
        @TIMEOUT,
        during => sub ( $t, $row ) {
            $row->{taken} = accept_from( $row->{held} );
        },
        says     => 'took the connection and left \d+ bytes of the request unread',
        unsaid   => [ qw(no_answer not_accepted), @NOBODY ],
        evidence => { accepted => 1, unread_bytes => qr/^[1-9]/ },
    },
    no_answer => {
        @TIMEOUT,
        during   => \&take,
        says     => 'has read all of the request, and no answer came within 1s',
        unsaid   => [ qw(not_read not_accepted), @NOBODY ],
        evidence => { accepted => 1 },
    },
    service_gone => {
        site   => 'E5',
        during => sub ( $t, $row ) {
            take( $t, $row );
            close $row->{held};
            close $row->{taken};
        },
        says     => '^nobody listens on \S+ any more',
        unsaid   => [qw(still_listening no_answer)],
        evidence => { listening => 0 },
    },
    still_listening => {
        site     => 'E5',
        during   => sub ( $t, $row ) { close take( $t, $row ) },
        says     => '^a service still listens on ',
        unsaid   => [qw(service_gone no_answer)],
        evidence => { listening => 1 },
    },
    port_closed => {
        over   => qr/^IP/,
        site   => 'B11a',
        listen => sub (@) { 0 },
        says   => '^nothing listens on \S+:\d+',
        unsaid => [qw(other_address rejected socket_stale)],
    },
    other_address => {
        over   => qr/^IP/,
        site   => 'B11a',
        listen => sub ( $t, $n ) { listen_tcp( host => '127.0.8.2', port => $n ) },
        says   => 'that port is open, but only on 127\.0\.8\.2',
        unsaid => [qw(port_closed rejected)],
    },
    socket_stale => {
        over   => qr/unix/,
        site   => 'B10a',
        listen => sub ( $t, $n ) { close listen_unix( $t->dir . "/$n.sock" ); 0 },
        says   => '\d+\.sock .*nobody listens',
        unsaid => [qw(socket_absent port_closed)],
    },
    socket_absent => {
        over   => qr/unix/,
        site   => 'B10d',
        errno  => 2,
        listen => sub (@) { 0 },
        says   => '\d+\.sock',
        unsaid => [qw(socket_stale directory_missing)],
    },
);

my ( @rows, $number );
for my $over ( sort keys %OVER ) {
    for my $protocol ( sort keys %PASS ) {
        for my $finding ( sort grep { $over =~ ( $BECOMES{$_}{over} // qr/./ ) } keys %BECOMES ) {
            my $n       = 8100 + $number++;
            my $listen  = $BECOMES{$finding}{listen} // $OVER{$over}{listen};
            my $address = $OVER{$over}{address}->($n);
            push @rows,
              {
                name => "$protocol over $over: $finding",
                conf => "${protocol}_read_timeout 1s; "
                  . $PASS{$protocol} =~ s/ADDRESS/$address/r,
                before => sub ( $t, @ ) { $listen->( $t, $n ) },
                skip   => $OVER{$over}{skip},
                finding => $finding,
                %{ $BECOMES{$finding} },
              };
        }
    }
}

play( \@rows );
