# memcached_pass.

package Upstream502::Scenarios::Memcached;

use v5.36;

my $MEMCACHED = 'set $memcached_key k; memcached_pass %%b%%;';

sub answer (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'hold' ];
}

sub hangup (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'close' ];
}

sub memcached ( $site, $name, $script, %row ) {
    return {
        site     => $site,
        name     => "memcached: $name",
        b        => $script,
        conf     => $MEMCACHED,
        cause    => 'protocol_error',
        phase    => 'header',
        protocol => 'memcached',
        %row,
    };
}

my @memcached = (
    memcached(
        'F14',
        'the value of another key',
        answer("VALUE other 0 2\r\nok\r\nEND\r\n"),
        message => qr/^memcached sent invalid key in response "VALUE other/,
    ),
    memcached(
        'F15', 'flags that are none',
        answer("VALUE k x 2\r\nok\r\nEND\r\n"),
        conf    => "memcached_gzip_flag 2; $MEMCACHED",
        message => qr/^memcached sent invalid flags in response /,
    ),
    memcached(
        'F16',
        'a length that is none',
        answer("VALUE k 0 x\r\nok\r\nEND\r\n"),
        message => qr/^memcached sent invalid length in response /,
    ),
    memcached(
        'F17', 'an error', answer("ERROR\r\n"),
        message => qr/^memcached sent invalid response: "ERROR"$/,
    ),
    memcached(
        'E5',
        'closed without an answer',
        [ 'read_some', 'close' ],
        cause => 'closed_before_response',
    ),
    memcached(
        'B11a', 'nobody listens', undef,
        conf  => $MEMCACHED =~ s/%%b%%/%%closed%%/r,
        cause => 'connection_refused',
        phase => 'connect',
        errno => 111,
    ),
    memcached(
        'I2', 'closed inside the value',
        hangup("VALUE k 0 100\r\nshort"),
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
    ),
    memcached(
        'F18', 'a miss is no failure',
        hangup("END\r\n"),
        status => 404,
        failed => 0,
    ),
    memcached(
        'F18', 'a miss that the next server makes good',
        hangup("END\r\n"),
        b2   => hangup("VALUE k 0 2\r\nok\r\nEND\r\n"),
        http => 'upstream %%u%% { server %%b%%; server %%b2%% backup; }',
        conf => 'set $memcached_key k; memcached_next_upstream not_found;
            memcached_pass %%u%%;',
        status          => 200,
        rescued         => 1,
        attempts        => 2,
        cause           => 'error_status',
        causes          => 'error_status, -',
        received_status => 404,
    ),
    memcached(
        'I19', 'a trailer that is none is logged and passed',
        hangup("VALUE k 0 2\r\nok and more"),
        status => 200,
        failed => 0,
    ),
    {
        site     => 'A14g',
        name     => 'memcached: no key',
        conf     => 'memcached_pass %%closed%%;',
        status   => 500,
        cause    => 'internal_error',
        phase    => qr/^(?:resolve|select)$/,
        attempts => 0,
        failures => 1,
        causes   => qr/./,
        message  => qr/^the "\$memcached_key" variable is not set$/,
    },
);

sub rows () { return [@memcached] }

1;
