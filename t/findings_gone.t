#!/usr/bin/perl

# Reasons of an answer that never came, told apart by what the kernel knows. One
# that came and was not read is in causes_races.t.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select  ();
use Upstream502::Diagnosis qw(edits);
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from idle_ms listen_tcp reset_close wait_for
  PATIENCE);
use Upstream502::Runner;
use Upstream502::Service;
use Upstream502::Wire;

enter_namespace();

# The service ends: its listener first, as when a process dies. No other process
# of the test has it.
sub die_of ( $t, $row ) {
    my $socket = accept_from( $row->{held} );
    sysread $socket, my $bytes, 65536;
    close $row->{held};
    close $socket;
}

# Listens from now on: no other process of the test has it.
sub begin ( $t, $row ) {
    $row->{service} = listen_tcp( port => $row->{port} );
    return;
}

# Says this much, then its connection ends: with its listener, or that one alone.
sub says_and_ends ( $bytes, $goes ) {
    return sub ( $t, $row ) {
        my $socket = accept_from( $row->{service} );
        sysread $socket, my $request, 65536;
        syswrite $socket, $bytes;
        close $row->{service} if $goes;
        close $socket;
    };
}

# nginx stands still, so that it finds both at once.
sub resets ($goes) {
    return sub ( $t, $row ) {
        my $socket = accept_from( $row->{service} );
        IO::Select->new($socket)->can_read(PATIENCE) or die "no request\n";
        $t->nginx->wait_idle;
        $t->nginx->freeze(
            sub {
                close $row->{service} if $goes;
                reset_close($socket);
            }
        );
    };
}

# A kept connection ends with the next request.
sub ends_kept ($goes) {
    return sub ( $t, $row, $uri, %send ) {
        my $sent   = $t->send( $uri, %send );
        my $socket = $row->{held};
        sysread $socket, my $request, 65536;
        close $row->{service} if $goes;
        close $socket;
        return $t->read($sent);
    };
}

sub keep_one ( $t, $row ) {
    begin( $t, $row );
    my $sent   = $t->send("/r$row->{number}");
    my $socket = accept_from( $row->{service} );
    sysread $socket, my $request, 65536;
    syswrite $socket, http_ok();
    $t->read($sent);
    $t->nginx->wait_idle;
    return $socket;
}

# Each failure of a service that is gone, and of one that is not.
sub pair ( $name, $row ) {
    state $port = 8100;
    return map {
        my ( $goes, $end, @says ) = @$_;
        ++$port;
        {
            name   => "$name, $end",
            port   => $port,
            conf   => "proxy_pass http://127.0.0.1:$port;",
            before => \&begin,
            @says,
            $row->( $goes, $port )
        }
      } (
        [
            1,
            'and the service is gone',
            finding  => 'service_gone',
            says     => '^nobody listens on 127\.0\.0\.1:81\d\d any more',
            unsaid   => 'still_listening',
            evidence => { listening => 0 },
        ],
        [
            0,
            'and the service listens',
            finding  => 'still_listening',
            says     => '^a service still listens on 127\.0\.0\.1:81\d\d',
            unsaid   => 'service_gone',
            evidence => { listening => 1 },
        ],
      );
}

# After so much of the answer.
sub cut ( $what, $site, $answer ) {
    return pair( "$what is cut",
        sub ( $goes, $ ) { return ( site => $site, during => says_and_ends( $answer, $goes ) ) } );
}

my @LARGE = ( method => 'POST', body => 'x' x ( 16 * 1024 * 1024 ) );
my @pairs = (
    cut( 'a header', E5c => "HTTP/1.1 200 OK\r\nX: y\r\n" ),
    cut( 'a body', I1 => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" ),
    pair(
        'an upload is reset',
        sub ( $goes, $ ) { return ( site => 'D1d', during => resets($goes), @LARGE ) }
    ),
    pair(
        'a kept connection ends',
        sub ( $goes, $port ) {
            return (
                site   => 'E5b',
                http   => "upstream %%u%% { server 127.0.0.1:$port; keepalive 1; }",
                conf   => "$KEEPALIVE proxy_pass http://%%u%%;",
                method => 'POST',
                body   => 'order',
                before => \&keep_one,
                ask    => ends_kept($goes),
                reused => 1,
            );
        }
    ),
);

# It keeps an idle connection for a second and a half.
sub not_for_long ($c) {
    Upstream502::Steps::fill($c) while $c->{in} !~ /\r\n\r\n/;
    Upstream502::Steps::put( $c, http_ok() );
    IO::Select->new( $c->{socket} )->can_read(1.5) and Upstream502::Steps::fill($c);
    Upstream502::Steps::leave( $c, 0 );
}

# One that reads and closes, and may begin again: its start time is the newer.
sub closing ($t) {
    my $service = Upstream502::Service->new( "$t->{dir}/closing.log", $^X,
        '-MIO::Socket::IP', '-e',
        'my $l = IO::Socket::IP->new( LocalHost => "127.0.0.1",
            LocalPort => 8091, Listen => 8, ReuseAddr => 1 ) or die $@;
        $| = 1; print "listening\n";
        while ( my $c = $l->accept ) { sysread $c, my $in, 65536 }' );
    wait_for 'the service', sub { $service->log =~ /listening\n\z/ };
    return $service;
}

sub started ($service) { return qr/^\s*@{[ $service->pid ]} \w{3} \w{3} .* 20\d\d .*perl/m }

sub main ($service) { return qr/ Main PID: @{[ $service->pid ]} / }

sub may_restart ( $t, $row ) {
    my $service = closing($t);
    my $again;
    $row->{repair} = sub (@) { $service->stop; $again = closing($t) };
    $row->{checks} = [
        [ qr/ps -o pid,lstart/ => started($service), sub { started($again) } ],
        [ qr/systemctl .*status$/ => main($service), sub { main($again) } ],
    ];
    return $service;
}

# A kept connection ends on its second request; POST is not sent again.
sub kept (%row) {
    return {
        site   => 'E5b',
        b      => [ 'read', [ write => http_ok() ], 'read', 'close' ],
        http   => 'upstream %%u%% { server %%b%%; keepalive 1; }',
        conf   => "$KEEPALIVE proxy_pass http://%%u%%;",
        method => 'POST',
        body   => 'order',
        warmup => 1,
        reused => 1,
        %row,
    };
}

play(
    [
        {
            name    => 'the service is gone',
            site    => 'E5',
            conf    => 'proxy_pass http://127.0.0.1:8090;',
            before  => sub (@) { listen_tcp( port => 8090 ) },
            during  => \&die_of,
            finding => 'service_gone',
            says    => '^nobody listens on 127\.0\.0\.1:8090 any more',
            unsaid  => 'still_listening',
            checks  => [
                [ qr/^ss -Hltnp 'sport/ => qr/\A\z/, qr/^LISTEN .*:8090 /m ],
            ],
            repair => sub (@) { listen_tcp( port => 8090 ) },
        },
        {
            name    => 'the service still listens',
            site    => 'E5',
            conf    => 'proxy_pass http://127.0.0.1:8091;',
            before  => \&may_restart,
            finding => 'still_listening',
            says    => '^a service still listens on ',
            unsaid  => [qw(service_gone oom_kill)],
        },
        kept(
            name     => 'a kept connection was closed in use',
            finding  => 'closed_in_use',
            says     => 'idle for only \d{1,3} ms',
            unsaid   => 'idle_closed',
            evidence => { idle_ms => qr/^\d{1,3}$/ },
        ),
        kept(
            name => 'a kept connection had been idle for long',
            ask  => sub ( $t, $row, $uri, %send ) {
                my ($port) = $t->{address}{"r$row->{number}_b"} =~ /:(\d+)$/;
                wait_for 'a second of idleness', sub { idle_ms($port) > 1100 };
                return $t->get( $uri, %send );
            },
            finding  => 'idle_closed',
            says     => 'idle for \d{4,} ms when',
            unsaid   => 'closed_in_use',
            checks   => [
                [ qr{/dev/tcp/} => qr/^real\s+0m1\.[4-9]/m, qr/^real\s+0m2\./m ],
                [
                    qr/^nginx -T/ => qr/keepalive 2; \}/,
                    qr/keepalive 2; keepalive_timeout 1s;/,
                    edits( 'keepalive 2; }', 'keepalive 2; keepalive_timeout 1s; }' )
                ],
            ],
            http => 'upstream %%u%% { server %%b%%; keepalive 2; }',
            b    => \&not_for_long,
            well => [ 'read', [ write => http_ok() ], 'hold' ],
            evidence => { idle_ms => qr/^\d{4,}$/ },
        ),
        @pairs,
    ],
    http => 'client_max_body_size 0;'
);
