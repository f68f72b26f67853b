# fastcgi_pass, uwsgi_pass and scgi_pass; memcached_pass is in Memcached.pm.

package Upstream502::Scenarios::Cgi;

use v5.36;

use Upstream502::Backend qw(sequence);
use Upstream502::Wire;

my $FASTCGI = 'fastcgi_param REQUEST_METHOD GET; fastcgi_pass %%b%%;';
my %PASS    = (
    uwsgi => 'uwsgi_param A b; uwsgi_pass %%b%%;',
    scgi  => 'scgi_param A b; scgi_pass %%b%%;',
);

sub answer (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'hold' ];
}

sub hangup (@bytes) {
    return [ 'read_some', [ write => join '', @bytes ], 'close' ];
}

# FastCGI: the bytes after the request, and what nginx thinks of them.
sub fastcgi ( $site, $name, $script, %row ) {
    return {
        site     => $site,
        name     => "FastCGI: $name",
        b        => $script,
        conf     => $FASTCGI,
        cause    => 'protocol_error',
        phase    => 'header',
        protocol => 'fastcgi',
        %row,
    };
}

sub stdout ($text) { return fcgi( 6, $text ) }

my @fastcgi_header = (
    fastcgi(
        'F1',
        'the request ends before its answer',
        answer( fcgi( 7, 'notice' ), fcgi_end() ),
        message => qr/^upstream sent unexpected FastCGI record: 3$/,
    ),
    fastcgi(
        'F2',
        'an empty answer',
        answer( stdout('') ),
        message => qr/^upstream prematurely closed FastCGI stdout$/,
    ),
    fastcgi(
        'F3', 'stderr text that is caught',
        answer( fcgi( 7, 'PHP Fatal error' ), stdout("A: b\r\n\r\n") ),
        conf    => "fastcgi_catch_stderr 'PHP Fatal'; $FASTCGI",
        cause   => 'error_status',
        message => qr/^FastCGI sent in stderr: "PHP Fatal error"/,
    ),
    fastcgi(
        'F4', 'a status that is none',
        answer( stdout("Status: abc\r\n\r\n") ),
        cause   => 'header_invalid',
        message => qr/^upstream sent invalid status "abc"$/,
    ),
    fastcgi(
        'F5', 'a header line that is none',
        answer( stdout("Bad Header\r\n\r\n") ),
        cause   => 'header_invalid',
        message => qr/^upstream sent invalid header: /,
    ),
    fastcgi(
        'F6',
        'an HTTP server answers',
        answer("HTTP/1.1 400 Bad Request\r\n\r\n"),
        message => qr/^upstream sent unsupported FastCGI protocol version: 72$/,
    ),
    fastcgi(
        'F7',
        'an unknown record type',
        answer( fcgi( 99, 'x' ) ),
        message => qr/^upstream sent invalid FastCGI record type: 99$/,
    ),
    fastcgi(
        'F8',
        'a request id with a high byte',
        answer( fcgi( 6, 'x', id => 257 ) ),
        message => qr/request id high byte: 1$/,
    ),
    fastcgi(
        'F9',
        'the id of another request',
        answer( fcgi( 6, 'x', id => 2 ) ),
        message => qr/request id low byte: 2$/,
    ),
    fastcgi(
        'E5',
        'closed without an answer',
        [ 'read_some', 'close' ],
        cause => 'closed_before_response',
    ),
    fastcgi(
        'E1', 'reset without an answer',
        [ 'read_some', 'rst' ],
        cause => 'reset_before_response',
        errno => 104,
    ),
    fastcgi(
        'E5c',
        'closed inside the header',
        hangup( stdout("A: b\r\n") ),
        cause => 'header_incomplete',
    ),
    fastcgi(
        'E7', 'a header larger than the buffer',
        answer( stdout( 'X: ' . 'x' x 5000 . "\r\n\r\n" ) ),
        conf  => "fastcgi_buffer_size 4k; fastcgi_buffers 4 4k; $FASTCGI",
        cause => 'header_too_big',
    ),
    fastcgi(
        'E6', 'no answer in time',
        [ 'read_some', 'hold' ],
        conf   => "fastcgi_read_timeout 300ms; $FASTCGI",
        status => 504,
        cause  => 'read_timeout',
        errno  => 110,
    ),
    fastcgi(
        'H3', 'the application says 502',
        hangup( stdout("Status: 502 Bad\r\n\r\nx"), stdout(''), fcgi_end() ),
        cause           => 'error_status',
        origin          => 'upstream',
        received_status => 502,
    ),
    fastcgi(
        'F3b',
        'stderr text is no failure by itself',
        hangup(
            fcgi( 7, 'PHP Notice' ), stdout("A: b\r\n\r\nx"),
            stdout(''),              fcgi_end()
        ),
        status => 200,
        failed => 0,
    ),
    {
        site  => 'B10d',
        name  => 'FastCGI: the unix socket does not exist',
        conf  => 'fastcgi_pass unix:%%DIR%%/php.sock;',
        cause => 'socket_missing',
        phase => 'connect',
        errno => 2,
        peer  => 'unix:%%DIR%%/php.sock',
    },
);

my $CGI_HEADER = "Content-Length: 100\r\n\r\n";

sub fastcgi_cut ( $site, $name, $script, %row ) {
    return fastcgi(
        $site, $name, $script,
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        %row
    );
}

my @fastcgi_body = (
    fastcgi_cut(
        'I13',
        'stdout ends inside the body',
        [
            'read_some',
            [ write => stdout("${CGI_HEADER}short") ],
            [ pause => 0.1 ],
            [ write => stdout('') ], 'close'
        ],
        message => qr/^upstream prematurely closed FastCGI stdout$/,
    ),
    fastcgi_cut(
        'I14',
        'the request ends inside the body',
        [
            'read_some',
            [ write => stdout("${CGI_HEADER}short") ],
            [ pause => 0.1 ],
            [ write => fcgi_end() ], 'close'
        ],
        message => qr/^upstream prematurely closed FastCGI request$/,
    ),
    fastcgi_cut(
        'I15', 'the request ends inside the body, unbuffered',
        answer( stdout("${CGI_HEADER}short"), fcgi_end() ),
        conf    => "fastcgi_buffering off; $FASTCGI",
        outcome => 'open',
    ),
    (
        map {
            my ( $site, $what, $record ) = @$_;
            fastcgi_cut(
                $site,
                "$what inside the body",
                [
                    'read_some',
                    [ write => stdout("${CGI_HEADER}short") ],
                    [ pause => 0.1 ],
                    [ write => $record ], 'close'
                ],
                cause   => 'protocol_error',
                outcome => 'open',
            )
        } [ F6 => 'another version', "\2" . substr stdout('x'), 1 ],
        [ F7 => 'an unknown record type',          fcgi( 99, 'x' ) ],
        [ F8 => 'a request id with a high byte',   fcgi( 6, 'x', id => 257 ) ],
        [ F9 => 'the id of another request',       fcgi( 6, 'x', id => 2 ) ],
    ),
    fastcgi_cut(
        'I17',
        'closed inside the body, which nginx takes for whole',
        hangup( stdout("${CGI_HEADER}short") ),
    ),
    fastcgi(
        '-',
        'closed without an end, but of no length that was announced',
        hangup( stdout("A: b\r\n\r\nshort") ),
        status => 200,
        failed => 0,
    ),
    fastcgi_cut(
        'I8', 'stalled inside the body',
        answer( stdout("${CGI_HEADER}short") ),
        conf  => "fastcgi_read_timeout 1s; $FASTCGI",
        cause => 'body_timeout',
        errno => 110,
    ),
    fastcgi(
        'E5b',
        'closed on reuse',
        sequence(
            [
                'read_some',
                [
                    write => stdout("A: b\r\n\r\nok") . stdout('') . fcgi_end()
                ],
                'read_some',
                'close'
            ],
            [
                'read_some',
                [
                    write => stdout("A: b\r\n\r\nok") . stdout('') . fcgi_end()
                ],
                'close'
            ],
        ),
        http => 'upstream %%u%% { server %%b%%; keepalive 4; }',
        conf => 'fastcgi_keep_conn on; fastcgi_param REQUEST_METHOD GET;
            fastcgi_pass %%u%%;',
        warmup   => 1,
        status   => 200,
        rescued  => 1,
        reused   => 1,
        attempts => 2,
        cause    => 'keepalive_race',
        causes   => 'keepalive_race, -',
    ),
);

# uwsgi and SCGI answer as CGI does.
my @cgi = map {
    my $protocol = $_;
    map {
        my ( $site, $name, $script, %row ) = @$_;
        {
            site     => $site,
            name     => "$protocol: $name",
            b        => $script,
            conf     => ( $row{limit} // '' ) . $PASS{$protocol},
            phase    => 'header',
            protocol => $protocol,
            %row,
        }
    } (
        [
            'F11', 'a status that is none',
            answer("Status: xx\r\n\r\n"),
            cause   => 'header_invalid',
            message => qr/^upstream sent invalid status "xx"$/,
        ],
        [
            'F12', 'a NUL in the header',
            answer("\0bad\r\n\r\n"),
            cause   => 'header_invalid',
            message => qr/^upstream sent invalid header: /,
        ],
        [
            'E5',
            'closed without an answer',
            [ 'read_some', 'close' ],
            cause => 'closed_before_response',
        ],
        [
            'E1', 'reset without an answer', [ 'read_some', 'rst' ],
            cause => 'reset_before_response',
            errno => 104,
        ],
        [
            'E5c',
            'closed inside the header',
            hangup("Status: 200 OK\r\nA: b\r\n"),
            cause => 'header_incomplete',
        ],
        [
            'E7', 'a header larger than the buffer',
            answer( "Status: 200 OK\r\nX: " . 'x' x 5000 . "\r\n\r\n" ),
            limit => "${protocol}_buffer_size 4k; ${protocol}_buffers 4 4k;",
            cause => 'header_too_big',
        ],
        [
            'E6', 'no answer in time', [ 'read_some', 'hold' ],
            limit  => "${protocol}_read_timeout 300ms;",
            status => 504,
            cause  => 'read_timeout',
            errno  => 110,
        ],
        [
            'H3', 'the application says 504',
            hangup("Status: 504 Late\r\n\r\nlate"),
            status          => 504,
            cause           => 'error_status',
            origin          => 'upstream',
            received_status => 504,
        ],
        [
            'I1',
            'closed inside the body',
            hangup("Status: 200 OK\r\n${CGI_HEADER}short"),
            status  => 200,
            outcome => 'cut',
            cause   => 'body_incomplete',
            phase   => 'body',
        ],
        [
            'B11a', 'nobody listens', undef,
            conf  => $PASS{$protocol} =~ s/%%b%%/%%closed%%/r,
            cause => 'connection_refused',
            phase => 'connect',
            errno => 111,
        ],
    )
} qw(uwsgi scgi);

# Requests that do not fit the protocol; nginx logs alerts about them.
my @too_big = map {
    my ( $site, $protocol, $pass ) = @$_;
    {
        site     => $site,
        name     => "$protocol: a request too big for the protocol",
        conf     => $pass,
        headers  => [ 'X-Big: ' . 'x' x 70_000 ],
        status   => 500,
        cause    => 'internal_error',
        phase    => qr/^(?:resolve|select)$/,
        attempts => 0,
        failures => 1,
        causes   => qr/./,
        message  => qr/^$protocol request (?:record )?is too big: \d+$/,
    }
  } [ A14a => 'fastcgi', 'fastcgi_pass %%closed%%;' ],
  [ A14d => 'uwsgi', 'uwsgi_pass %%closed%%;' ];

my @odd = (
    {
        site => 'A14c',
        name => 'FastCGI: a path whose pattern takes too long',
        b    => hangup( stdout("A: b\r\n\r\nok"), stdout(''), fcgi_end() ),
        conf => 'fastcgi_split_path_info "^(/r\d+(?:/?a+)+)(/b)$";
            fastcgi_param X $fastcgi_path_info; fastcgi_pass %%b%%;',
        args   => '/' . 'a' x 40 . '!/b',
        status => 200,
        failed => 0,
    },
    map {
        {
            site   => 'F13',
            name   => "$_: garbage is taken for a header",
            b      => hangup("garbage\r\n\r\n"),
            conf   => $PASS{$_},
            status => 200,
            failed => 0,
        }
    } qw(uwsgi scgi)
);

our %OPTIONS = (
    allow => [
        qr/(?:fastcgi request record|uwsgi request) is too big/,
        qr/pcre2?_\w+\(\) failed/,
    ],
    http  => 'large_client_header_buffers 4 128k;',
);

sub rows () {
    return [ @fastcgi_header, @fastcgi_body, @cgi, @too_big, @odd ];
}

1;
