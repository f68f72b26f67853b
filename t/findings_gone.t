#!/usr/bin/perl

# Five reasons of an answer that never came, told apart by what the kernel
# knows.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Time::HiRes qw(sleep);
use Upstream502::Namespace;
use Upstream502::Net qw(accept_from reset_close PATIENCE);
use Upstream502::Runner;
use Upstream502::Wire;

enter_namespace();

my @UPLOAD = ( method => 'POST', body => 'x' x ( 16 * 1024 * 1024 ) );

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

# A request that is there, and its connection.
sub requested ($row) {
    my $socket = accept_from( $row->{listener}{b} );
    IO::Select->new($socket)->can_read(PATIENCE) or die "no request\n";
    return $socket;
}

# The service ends: its listener first, as when a process dies.
sub die_of ( $t, $row ) {
    my $socket = requested($row);
    sysread $socket, my $bytes, 65536;
    close delete $row->{listener}{b};
    close $socket;
}

# Answers before it has read everything, and resets.
sub answer_early ( $t, $row ) {
    my $socket = requested($row);
    $t->nginx->wait_idle;
    $t->nginx->freeze(
        sub {
            syswrite $socket, "HTTP/1.1 413 Too Large\r\n\r\n";
            reset_close($socket);
        }
    );
}

play(
    [
        {
            name    => 'the service is gone',
            site    => 'E5',
            b       => 'own',
            during  => \&die_of,
            finding => 'service_gone',
            says    => '^nobody listens on 127\.0\.0\.1:\d+ any more',
            unsaid  => 'still_listening',
        },
        {
            name    => 'the service still listens',
            site    => 'E5',
            b       => [ 'read', 'close' ],
            finding => 'still_listening',
            says    => '^a service still listens on ',
            unsaid  => [qw(service_gone oom_kill)],
        },
        {
            name => 'it had answered already',
            site => 'D1d',
            b    => 'own',
            @UPLOAD,
            during   => \&answer_early,
            finding  => 'answered_early',
            says     => 'had answered 413',
            evidence => { early_status => 413 },
        },
        kept(
            name     => 'a kept connection was closed in use',
            finding  => 'closed_in_use',
            says     => 'idle for \d{1,3} ms only',
            unsaid   => 'idle_closed',
            evidence => { idle_ms => qr/^\d{1,3}$/ },
        ),
        kept(
            name => 'a kept connection had been idle for long',
            ask  => sub ( $t, $row, $uri, %send ) {
                sleep 1.2;    # the time itself is the point
                return $t->get( $uri, %send );
            },
            finding  => 'idle_closed',
            says     => 'idle for 1[12]\d\d ms when',
            unsaid   => 'closed_in_use',
            evidence => { idle_ms => qr/^1[12]\d\d$/ },
        ),
    ],
    http => 'client_max_body_size 0;'
);
