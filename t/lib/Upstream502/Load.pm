# A load of requests of many kinds: what each kind does in nginx, and what the
# access log has to say of it, in whatever order they come.
#
#   $t->conf( http => http(), server => server() );
#   want('refused')   # qr/^502 nginx - connection_refused$/
#
# A kind is [name, what the log says, configuration]. The log says: status,
# origin of a gateway response, rescued, causes.

package Upstream502::Load;

use v5.36;

use Exporter             qw(import);
use IO::Socket::UNIX     ();
use Upstream502::Backend qw(at_once);
use Upstream502::Net     qw(fill_tcp_queue fill_unix_queue listen_tcp
  listen_unix);
use Upstream502::Wire;

our @EXPORT = qw(add_backends fill_queues http server log_format want sound
  failing request_of);

my $PART = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab";

# Name, bytes and what follows.
my @HTTP = (
    [ ok      => http_ok(),                                   'keep' ],
    [ ok2     => http_ok( 'x' x 5000 ),                       'keep' ],
    [ closed  => '',                                          'close' ],
    [ rst     => '',                                          'rst' ],
    [ half    => "HTTP/1.1 200 OK\r\nX: y",                   'close' ],
    [ big     => http_ok( 'ok', 'X-Big: ' . 'x' x 5000 ),     'close' ],
    [ bad     => http_ok( 'ok', 'Bad Header: x' ),            'close' ],
    [ silent  => '',                                          'hold' ],
    [ cut     => $PART,                                       'close' ],
    [ stalled => $PART,                                       'hold' ],
    [ theirs  => http_status(502),                            'close' ],
    [ late    => http_status(504),                            'close' ],
    [ busy    => http_status(503),                            'close' ],
    [ accel   => http_ok( '', 'X-Accel-Redirect: /refused' ), 'close' ],
);

# Whatever the request is.
my @ANY = (
    [ fcgi  => fcgi( 6, "A: b\r\n\r\nok" ) . fcgi_end(), 'close' ],
    [ fcgi1 => "HTTP/1.1 400 Bad Request\r\n\r\n",       'close' ],
    [ uwsgi => "HTTP/1.1 200 OK\r\nX: y",                'close' ],
    [ scgi  => '',                                       'close' ],
    [ cache => "ERROR\r\n",                              'close' ],
    [ plain => "HTTP/1.1 400 Bad Request\r\n\r\n",       'close' ],
    [ tls   => '',                                       'close' ],
);

sub add_backends ($t) {
    $t->tcp( $_->[0], at_once( [ @$_[ 1, 2 ] ], http => 1 ) ) for @HTTP;
    $t->tcp( $_->[0], at_once( [ @$_[ 1, 2 ] ] ) )            for @ANY;
    $t->tcp( grpc => at_once( \&refuse_stream ) );
    $t->tcp( race => at_once( \&hang_up_later, http => 1 ) );
    $t->tcp( once => at_once( well_once(),     http => 1 ) );
    $t->unix( denied => at_once( [ http_ok(), 'keep' ] ), mode => 0 );
    $t->udp( dns => dns_answers( 'silent.test' => undef ) );
    $t->write( 'page.html', '<!--# include virtual="/sub/ssi" -->page' );
}

sub refuse_stream ($n) {
    my @frames = ( h2_settings(), h2( 3, 0, 1, pack 'N', 7 ) );
    return [ $n == 1 ? join '', @frames : '', 'hold' ];
}

sub hang_up_later ($n) {
    return $n == 1 ? [ http_ok(), 'keep' ] : [ '', 'close' ];
}

sub well_once () {
    my $count = 0;
    return sub ($n) {
        return $count++ ? [ '', 'rst' ] : [ http_ok(), 'close' ];
    };
}

# Backends that never accept; they live as long as what is returned.
sub fill_queues ($t) {
    my $tcp  = listen_tcp( backlog => 0 );
    my $path = $t->dir . '/full.sock';
    my $unix = listen_unix( $path, backlog => 0 );
    $t->{address}{full} = '127.0.0.1:' . $tcp->sockport;
    return [
        $tcp,                             $unix,
        fill_tcp_queue( $tcp->sockport ), fill_unix_queue($path)
    ];
}

my $WELL = '200 - - -';

my @SOUND = (
    [ plain  => $WELL, 'proxy_pass http://good;' ],
    [ post   => $WELL, 'proxy_pass http://good;' ],
    [ static => $WELL, 'return 200 static;' ],
    [
        hit => $WELL,
        'proxy_cache c; proxy_cache_valid 200 1h;
        proxy_cache_key $uri; proxy_pass http://good;'
    ],
    [ fastcgi => $WELL, 'fastcgi_pass %%fcgi%%;' ],
    [ hash    => $WELL, 'proxy_pass http://hash;' ],
    [ allowed => $WELL, 'auth_request /sub/good; proxy_pass http://good;' ],
    [ aborted => '499 - - -', 'proxy_pass http://%%silent%%;' ],
);

# A backend that does one thing, and the cause of it.
sub single ( $name, $cause, $status = 502, $more = '' ) {
    return [
        $name,
        "$status nginx - $cause",
        "$more proxy_pass http://%%$name%%;"
    ];
}

my @CONNECT = (
    [ refused => '502 nginx - connection_refused', 'proxy_pass http://dead;' ],
    [
        missing => '502 nginx - socket_missing',
        'proxy_pass http://unix:%%DIR%%/none.sock;'
    ],
    single( denied => 'permission_denied' ),
    single(
        full => 'connection_timeout',
        504, 'proxy_connect_timeout 100ms;'
    ),
    [
        queue => '502 nginx - backlog_full',
        'proxy_pass http://unix:%%DIR%%/full.sock;'
    ],
    [
        bound => '500 nginx - internal_error',
        'proxy_bind 198.51.100.77; proxy_pass http://%%ok%%;'
    ],
    [
        url => '500 nginx - internal_error',
        'set $target ftp://x.test; proxy_pass $target;'
    ],
    [ down => '502 nginx - no_live_upstreams', 'proxy_pass http://down;' ],
    [
        plain_tls => '502 nginx - tls_protocol_error',
        'proxy_pass https://%%plain%%;'
    ],
    [ tls => '502 nginx - tls_closed', 'proxy_pass https://%%tls%%;' ],
    map {
        [
            "dns_$_->[0]" => "502 nginx - $_->[1]",
            "$_->[2] set \$target $_->[0].test; proxy_pass http://\$target;"
        ]
    } (
        [ none => 'resolver_missing', '' ],
        [ nx   => 'dns_error',        'resolver %%dns%% ipv6=off;' ],
        [
            silent => 'dns_timeout',
            'resolver %%dns%% ipv6=off; resolver_timeout 100ms;'
        ],
    ),
);

my @ANSWER = (
    single( closed => 'closed_before_response' ),
    single( rst    => 'reset_before_response' ),
    single( half   => 'header_incomplete' ),
    single( big    => 'header_too_big' ),
    single( bad    => 'header_invalid' ),
    single( silent => 'read_timeout', 504, 'proxy_read_timeout 100ms;' ),
    [ cut => '200 - - body_incomplete', 'proxy_pass http://%%cut%%;' ],

    # Only where the header made it in time.
    [
        stalled => qr{^(?:200 - - body_timeout|504 nginx - read_timeout)$},
        'proxy_read_timeout 100ms; proxy_pass http://%%stalled%%;'
    ],
    [ fcgi1 => '502 nginx - protocol_error',    'fastcgi_pass %%fcgi1%%;' ],
    [ uwsgi => '502 nginx - header_incomplete', 'uwsgi_pass %%uwsgi%%;' ],
    [ scgi  => '502 nginx - closed_before_response', 'scgi_pass %%scgi%%;' ],
    [ grpc  => '502 nginx - protocol_error', 'grpc_pass grpc://%%grpc%%;' ],
    [
        memcached => '502 nginx - protocol_error',
        'set $memcached_key k; memcached_pass %%cache%%;'
    ],
    [
        theirs => '502 upstream - error_status',
        'proxy_pass http://%%theirs%%;'
    ],
    [ late => '504 upstream - error_status', 'proxy_pass http://%%late%%;' ],
);

# More than one attempt, or one that is not the client's answer.
my @AFTER = (
    [ pair => '200 - 1 reset_before_response, -', 'proxy_pass http://pair;' ],
    [
        post_pair => '502 nginx - reset_before_response',
        'proxy_pass http://pair;'
    ],
    [
        three => qr/^200 - 1 (?:(?:reset|closed)_before_response, ){2}-$/,
        'proxy_pass http://three;'
    ],
    [
        both =>
qr/^502 nginx - (?:reset|closed)_before_response, (?:reset|closed)_before_response$/,
        'proxy_pass http://both;'
    ],
    [
        busy => '200 - 1 error_status, -',
        'proxy_next_upstream error http_503; proxy_pass http://busy;'
    ],
    [
        race => qr/^200 - (?:- -|1 (?:keepalive_race, )+-)$/,
        'proxy_pass http://race;'
    ],
    [
        post_race => qr/^(?:200 - - -|502 nginx - keepalive_race)$/,
        'proxy_pass http://race;'
    ],
    [
        saved => '200 - 1 connection_refused : -',
        'error_page 502 = /plain; proxy_pass http://dead;'
    ],
    [
        worse => '504 upstream - connection_refused : error_status',
        'error_page 502 = /late; proxy_pass http://dead;'
    ],
    [
        accel => '502 nginx - - : connection_refused',
        'proxy_pass http://%%accel%%;'
    ],
    [
        page => '502 nginx - connection_refused : -',
        'error_page 502 /plain; proxy_pass http://dead;'
    ],
    [
        intercepted => '502 upstream - error_status : -',
        'proxy_intercept_errors on; error_page 502 /plain;
        proxy_pass http://%%theirs%%;'
    ],
    [
        unbuffered => '200 - - body_incomplete',
        'proxy_buffering off; proxy_pass http://%%cut%%;'
    ],
    [ config    => '502 config - -', 'return 502;' ],
    [ config504 => '504 config - -', 'return 504;' ],
    [
        cached => qr/^502 (?:cache - -|upstream - error_status)$/,
        'proxy_cache c; proxy_cache_key $uri; proxy_cache_lock on;
        proxy_cache_valid 502 1h; proxy_pass http://%%theirs%%;'
    ],
    [
        stale => qr/^200 - (?:- -|1 reset_before_response)$/,
        'proxy_cache c; proxy_cache_key $uri; proxy_cache_lock on;
        proxy_cache_valid 200 1s; proxy_cache_use_stale error;
        proxy_pass http://%%once%%;'
    ],
    [
        auth => '500 nginx - connection_refused',
        'auth_request /sub/dead; proxy_pass http://good;'
    ],
    [ mirror => $WELL, 'mirror /sub/mirror; proxy_pass http://good;' ],
    [ ssi    => $WELL, 'ssi on; rewrite ^ /page.html break; root %%DIR%%;' ],
);

my %KIND = map { $_->[0] => $_ } @SOUND, @CONNECT, @ANSWER, @AFTER;

sub sound () {
    return map { $_->[0] } @SOUND;
}

sub failing () {
    return map { $_->[0] } @CONNECT, @ANSWER, @AFTER;
}

sub want ($name) {
    my $want = $KIND{$name}[1];
    return ref $want ? $want : qr/^\Q$want\E$/;
}

sub request_of ( $name, $id ) {
    return $name =~ /^post/
      ? "POST /$name HTTP/1.1\r\nHost: x\r\nX-Test: $id\r\n"
      . "Content-Length: 4\r\n\r\nbody"
      : "GET /$name HTTP/1.1\r\nHost: x\r\nX-Test: $id\r\n\r\n";
}

# Subrequests have lines of their own in the log.
sub server () {
    return join "\n", 'access_log %%DIR%%/load.log load;',
      'proxy_http_version 1.1; proxy_set_header Connection "";',
      'proxy_buffer_size 4k; proxy_buffers 4 4k; log_subrequest on;',
      'location = /sub/good { proxy_pass http://good; }',
      ( map { "location = /sub/$_ { proxy_pass http://dead; }" }
          qw(dead mirror ssi) ),
      map { "location = /$_->[0] { $_->[2] }" } values %KIND;
}

sub log_format () {
    return
        '$http_x_test\t$request_uri\t$uri\t$upstream_addr\t$upstream_502\t'
      . '$upstream_502_failures\t$status $upstream_502_origin '
      . '$upstream_502_rescued $upstream_502_causes';
}

sub http () {
    return "log_format load '@{[ log_format() ]}';" . <<'CONF';
proxy_cache_path %%DIR%%/cache keys_zone=c:1m;
keepalive_requests 1000;
upstream good { least_conn; server %%ok%%; server %%ok2%%; keepalive 16; }
upstream hash { hash $request_id; server %%ok%%; server %%ok2%%; }
upstream dead { server 127.0.0.1:%%PORT_nobody%%; }
upstream down { server %%ok%% down; }
upstream pair { server %%rst%% max_fails=0; server %%ok%% backup; }
upstream three { zone three 128k; least_conn; server %%rst%% max_fails=0;
    server %%closed%% max_fails=0; server %%ok%% backup; }
upstream both { random two; server %%rst%% max_fails=0;
    server %%closed%% max_fails=0; }
upstream busy { server %%busy%% max_fails=0; server %%ok%% backup; }
upstream race { server %%race%%; keepalive 4; }
CONF
}

1;
