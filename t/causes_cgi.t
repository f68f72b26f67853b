#!/usr/bin/perl

# fastcgi_pass, uwsgi_pass, scgi_pass and memcached_pass.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Upstream502::Backend qw(sequence);
use Upstream502::Runner;
use Upstream502::Wire;

my $FASTCGI = 'fastcgi_param REQUEST_METHOD GET; fastcgi_pass %%b%%;';
my %PASS    = (
    uwsgi => 'uwsgi_param A b; uwsgi_pass %%b%%;',
    scgi  => 'scgi_param A b; scgi_pass %%b%%;',
);

# A backend that says this and waits, and one that hangs up.
sub says (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'hold' ];
}

sub hangup (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'close' ];
}

# FastCGI: the bytes after the request, and what nginx thinks of them.
sub fastcgi ( $site, $name, $script, %row ) {
    return {
        site => $site,
        name => "FastCGI: $name",
        b    => $script,
        conf => $FASTCGI,
        %row,
    };
}

sub stdout ($text) { return fcgi( 6, $text ) }
sub whole  ($text) { return stdout($text) . stdout('') . fcgi_end() }

my $NO_OUTPUT = qr/^the application ended the request without a header/;

my @fastcgi_header = (
    fastcgi(
        F1 => 'the request ends before its answer',
        says( fcgi( 7, 'notice' ), fcgi_end() ),
        message => qr/record: 3$/,
        hint    => $NO_OUTPUT,
    ),
    fastcgi( F2 => 'an empty answer', says( stdout('') ), hint => $NO_OUTPUT ),
    fastcgi(
        F3 => 'stderr text that is caught',
        says( fcgi( 7, 'PHP Fatal error' ), stdout("A: b\r\n\r\n") ),
        conf    => "fastcgi_catch_stderr 'PHP Fatal'; $FASTCGI",
        message => qr/"PHP Fatal error"/,
    ),
    fastcgi(
        F4 => 'a status that is none',
        says( stdout("Status: abc\r\n\r\n") ),
        message => qr/"abc"$/,
    ),
    fastcgi(
        F5 => 'a header line that is none',
        says( stdout("Bad Header\r\n\r\n") ),
    ),
    fastcgi(
        F6 => 'an HTTP server answers',
        says("HTTP/1.1 400 Bad Request\r\n\r\n"),
        phase   => 'header',
        message => qr/version: 72$/,
    ),
    fastcgi(
        F7 => 'an unknown record type',
        says( fcgi( 99, 'x' ) ),
        phase   => 'header',
        message => qr/type: 99$/,
    ),
    fastcgi(
        F8 => 'a request id with a high byte',
        says( fcgi( 6, 'x', id => 257 ) ),
        phase   => 'header',
        message => qr/byte: 1$/,
    ),
    fastcgi(
        F9 => 'the id of another request',
        says( fcgi( 6, 'x', id => 2 ) ),
        phase   => 'header',
        message => qr/byte: 2$/,
    ),
    fastcgi( E5  => 'closed without an answer', [ 'read_some', 'close' ] ),
    fastcgi( E1  => 'reset without an answer',  [ 'read_some', 'rst' ] ),
    fastcgi( E5c => 'closed inside the header', hangup( stdout("A: b\r\n") ) ),
    fastcgi(
        E7 => 'a header larger than the buffer',
        says( stdout( 'X: ' . 'x' x 5000 . "\r\n\r\n" ) ),
        conf => "fastcgi_buffer_size 4k; fastcgi_buffers 4 4k; $FASTCGI",
    ),
    fastcgi(
        E6 => 'no answer in time',
        [ 'read_some', 'hold' ],
        conf   => "fastcgi_read_timeout 300ms; $FASTCGI",
        status => 504,
    ),
    fastcgi(
        H3 => 'the application says 502',
        hangup( whole("Status: 502 Bad\r\n\r\nx") ),
        origin          => 'upstream',
        received_status => 502,
    ),
    fastcgi(
        F3b => 'stderr text is no failure by itself',
        hangup( fcgi( 7, 'PHP Notice' ), whole("A: b\r\n\r\nx") ),
    ),
    {
        site  => 'B10d',
        name  => 'FastCGI: the unix socket does not exist',
        conf  => 'fastcgi_pass unix:%%DIR%%/php.sock;',
        errno => 2,
        peer  => 'unix:%%DIR%%/php.sock',
    },
);

my $OK    = [ write => whole("A: b\r\n\r\nok") ];
my $SHORT = "Content-Length: 100\r\n\r\nshort";

# A body that is begun, and a moment later this.
sub then ($record) {
    return [
        'read_some',
        [ write => stdout($SHORT) ],
        [ pause => 0.1 ],
        [ write => $record ],
        'close'
    ];
}

sub cut ( $site, $name, $script, %row ) {
    return fastcgi(
        $site, $name, $script,
        phase => 'body',
        %row
    );
}

my @fastcgi_body = (
    cut( I13 => 'stdout ends inside the body',      then( stdout('') ) ),
    cut( I14 => 'the request ends inside the body', then( fcgi_end() ) ),
    cut(
        I15 => 'the request ends inside the body, unbuffered',
        says( stdout($SHORT), fcgi_end() ),
        conf    => "fastcgi_buffering off; $FASTCGI",
        outcome => 'open',
    ),
    (
        map {
            my ( $site, $what, $record ) = @$_;
            cut(
                $site,         "$what inside the body",
                then($record), outcome => 'open',
            )
        } [ F6 => 'another version', "\2" . substr stdout('x'), 1 ],
        [ F7 => 'an unknown record type',        fcgi( 99, 'x' ) ],
        [ F8 => 'a request id with a high byte', fcgi( 6,  'x', id => 257 ) ],
        [ F9 => 'the id of another request',     fcgi( 6,  'x', id => 2 ) ],
    ),
    cut(
        I17 => 'closed inside the body, which nginx takes for whole',
        hangup( stdout($SHORT) ),
    ),
    fastcgi(
        '-',
        'closed without an end, but of no length that was announced',
        hangup( stdout("A: b\r\n\r\nshort") ),
    ),
    cut(
        I8 => 'stalled inside the body',
        says( stdout($SHORT) ),
        conf => "fastcgi_read_timeout 1s; $FASTCGI",
    ),
    fastcgi(
        E5b => 'closed on reuse',
        sequence(
            [ 'read_some', $OK, 'read_some', 'close' ],
            [ 'read_some', $OK, 'close' ]
        ),
        http => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf => 'fastcgi_keep_conn on; fastcgi_param REQUEST_METHOD GET;
            fastcgi_pass %%u%%;',
        warmup => 1,
        saved  => 1,
        reused => 1,
    ),
);

# uwsgi and SCGI answer as CGI does.
my @cgi = map {
    my $protocol = $_;
    map {
        my ( $site, $name, $script, %row ) = @$_;
        {
            site => $site,
            name => "$protocol: $name",
            b    => $script,
            conf => ( $row{limit} // '' ) . $PASS{$protocol},
            %row,
        }
    } (
        [
            F11 => 'a status that is none',
            says("Status: xx\r\n\r\n"),
            message => qr/"xx"$/,
        ],
        [ F12 => 'a NUL in the header',      says("\0bad\r\n\r\n") ],
        [ E5  => 'closed without an answer', [ 'read_some', 'close' ] ],
        [ E1  => 'reset without an answer',  [ 'read_some', 'rst' ] ],
        [
            E5c => 'closed inside the header',
            hangup("Status: 200 OK\r\nA: b\r\n"),
        ],
        [
            E7 => 'a header larger than the buffer',
            says( "Status: 200 OK\r\nX: " . 'x' x 5000 . "\r\n\r\n" ),
            limit => "${protocol}_buffer_size 4k; ${protocol}_buffers 4 4k;",
        ],
        [
            E6 => 'no answer in time',
            [ 'read_some', 'hold' ],
            limit  => "${protocol}_read_timeout 300ms;",
            status => 504,
        ],
        [
            H3 => 'the application says 504',
            hangup("Status: 504 Late\r\n\r\nlate"),
            status          => 504,
            origin          => 'upstream',
            received_status => 504,
        ],
        [ I1 => 'closed inside the body', hangup("Status: 200 OK\r\n$SHORT") ],
        [
            B11a => 'nobody listens',
            undef, conf => $PASS{$protocol} =~ s/%%b%%/%%closed%%/r,
        ],
    )
} qw(uwsgi scgi);

# Requests that do not fit the protocol; nginx logs alerts about them.
my @too_big = map {
    my ( $site, $protocol, $pass ) = @$_;
    {
        site    => $site,
        name    => "$protocol: a request too big for the protocol",
        conf    => $pass,
        headers => [ 'X-Big: ' . 'x' x 70_000 ],
        status  => 500,
    }
  } [ A14a => 'fastcgi', 'fastcgi_pass %%closed%%;' ],
  [ A14d => 'uwsgi', 'uwsgi_pass %%closed%%;' ];

my @odd = (
    {
        site => 'A14c',
        name => 'FastCGI: a path whose pattern takes too long',
        b    => hangup( whole("A: b\r\n\r\nok") ),
        conf => 'fastcgi_split_path_info "^(/r\d+(?:/?a+)+)(/b)$";
            fastcgi_param X $fastcgi_path_info; fastcgi_pass %%b%%;',
        args => '/' . 'a' x 40 . '!/b',
    },
    map {
        {
            site => 'F13',
            name => "$_: garbage is taken for a header",
            b    => hangup("garbage\r\n\r\n"),
            conf => $PASS{$_},
        }
    } qw(uwsgi scgi)
);

my %OPTIONS = (
    allow => [
        qr/(?:fastcgi request record|uwsgi request) is too big/,
        qr/pcre2?_\w+\(\) failed/,
    ],
    http => 'large_client_header_buffers 4 128k;',
);

my $MEMCACHED = 'set $memcached_key k; memcached_pass %%b%%;';

sub memcached ( $site, $name, $script, %row ) {
    return {
        site => $site,
        name => "memcached: $name",
        b    => $script,
        conf => $MEMCACHED,
        %row,
    };
}

my @memcached = (
    memcached(
        F14 => 'the value of another key',
        says("VALUE other 0 2\r\nok\r\nEND\r\n"),
        message => qr/"VALUE other/,
    ),
    memcached(
        F15 => 'flags that are none',
        says("VALUE k x 2\r\nok\r\nEND\r\n"),
        conf => "memcached_gzip_flag 2; $MEMCACHED",
    ),
    memcached(
        F16 => 'a length that is none',
        says("VALUE k 0 x\r\nok\r\nEND\r\n"),
    ),
    memcached(
        F17 => 'an error',
        says("ERROR\r\n"),
        message => qr/"ERROR"$/,
    ),
    memcached( E5 => 'closed without an answer', [ 'read_some', 'close' ] ),
    memcached(
        B11a => 'nobody listens',
        undef, conf => $MEMCACHED =~ s/%%b%%/%%closed%%/r,
    ),
    memcached(
        I2 => 'closed inside the value',
        hangup("VALUE k 0 100\r\nshort"),
    ),
    memcached(
        F18 => 'a miss is no failure',
        hangup("END\r\n"), status => 404,
    ),
    memcached(
        F18 => 'a miss that the next server makes good',
        hangup("END\r\n"),
        b2   => hangup("VALUE k 0 2\r\nok\r\nEND\r\n"),
        http => 'upstream %%u%% { server %%b%%; server %%b2%% backup; }',
        conf => 'set $memcached_key k; memcached_next_upstream not_found;
            memcached_pass %%u%%;',
        saved           => 1,
        phase           => 'header',
        cause           => 'error_status',
        received_status => 404,
    ),
    memcached(
        I19 => 'a trailer that is none is logged and passed',
        hangup("VALUE k 0 2\r\nok and more"),
    ),
    {
        site   => 'A14g',
        name   => 'memcached: no key',
        conf   => 'memcached_pass %%closed%%;',
        status => 500,
    },
);

play( [ @fastcgi_header, @fastcgi_body, @cgi, @too_big, @odd, @memcached ],
    %OPTIONS );
