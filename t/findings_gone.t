#!/usr/bin/perl

# Reasons of an answer that never came, told apart by what the kernel knows. One
# that came and was not read is in causes_races.t.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Time::HiRes qw(sleep);
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from listen_tcp);
use Upstream502::Runner;
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
                [ qr/^systemctl --failed/ => qr/--failed/ ],
            ],
            repair => sub (@) { listen_tcp( port => 8090 ) },
        },
        {
            name    => 'the service still listens',
            site    => 'E5',
            b       => [ 'read', 'close' ],
            finding => 'still_listening',
            says    => '^a service still listens on ',
            unsaid  => [qw(service_gone oom_kill)],
            checks  => [
                [ qr/ps -o pid,lstart/ => qr/^\s*\d+ \w{3} \w{3} .* 20\d\d .*perl/m ],
                [ qr/systemctl .*status$/ => qr/ status \d+$/ ],
            ],
        },
        kept(
            name     => 'a kept connection was closed in use',
            finding  => 'closed_in_use',
            says     => 'idle for \d{1,3} ms only',
            unsaid   => 'idle_closed',
            checks   => [
                [ qr/ps -o pid,lstart/ => qr/^\s*\d+ \w{3} \w{3} .* 20\d\d .*perl/m ],
            ],
            evidence => { idle_ms => qr/^\d{1,3}$/ },
        ),
        kept(
            name => 'a kept connection had been idle for long',
            ask  => sub ( $t, $row, $uri, %send ) {
                sleep 1.2;    # the time itself is the point
                return $t->get( $uri, %send );
            },
            finding  => 'idle_closed',
            says     => 'idle for \d{4,} ms when',
            unsaid   => 'closed_in_use',
            checks   => [
                [ qr{/dev/tcp/}     => qr/^real\s/m ],
                [ qr/^nginx -T/     => qr/keepalive 1;/ ],
            ],
            evidence => { idle_ms => qr/^\d{4,}$/ },
        ),
    ]
);
