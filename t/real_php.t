#!/usr/bin/perl

# PHP-FPM failing for real: what is seen, and a hint that names the setting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Net qw(fill_unix_queue);
use Upstream502::Runner;
use Upstream502::Test;

my ($PHP) = reverse sort glob '/usr/sbin/php-fpm[0-9]*';
plan skip_all => 'no PHP-FPM: apt-get install php-fpm' if !$PHP;

my $HANG = 'function hang() {
    $file = __DIR__ . "/hanging";
    touch($file);
    while (file_exists($file)) { usleep(10000); clearstatcache(); }
}';
my %SCRIPT = (
    well => 'echo "well";',

    # As the kernel does it when memory is out.
    kill => 'exec("kill -9 " . getmypid());',

    # Until its file is removed, or the master ends it.
    hang        => 'hang();',
    hang_inside => 'echo str_repeat("x", 9000); flush(); hang();',
    cut         =>
      'echo str_repeat("x", 9000); flush(); exec("kill -9 " . getmypid());',
    big   => 'header("X-Big: " . str_repeat("x", 8000)); echo "big";',
    fatal => 'error_log("a notice"); undefined_function();',
);

# Pools: what is different about each.
my %POOL = (
    tcp    => 'listen = %%tcp%%',
    ends   => 'request_terminate_timeout = 1s',
    one    => 'listen.backlog = 1',
    locked => $> == 0
    ? "listen.owner = root\nlisten.mode = 0600"
    : 'listen.mode = 0000',
    lost => '',
);

sub pool ($name) {
    my $user = $> == 0 ? "user = nobody\ngroup = nogroup" : '';
    return <<"CONF";
[$name]
$user
listen = %%DIR%%/$name.sock
listen.mode = 0666
pm = static
pm.max_children = 1
php_admin_flag[display_errors] = off
php_admin_flag[log_errors] = on
$POOL{$name}
CONF
}

my $fpm;

sub setup ($t) {
    $t->write( "$_.php", "<?php $HANG $SCRIPT{$_}\n" ) for keys %SCRIPT;
    chmod 0777, $t->dir;
    $t->{address}{$_} = "unix:" . $t->dir . "/$_.sock" for keys %POOL;
    delete $t->{address}{tcp};
    $t->port('tcp');
    $t->write(
        'fpm.conf',
        "[global]\nerror_log = %%DIR%%/fpm.log\n" . join '',
        map { pool($_) } sort keys %POOL
    );
    $fpm = start_fpm($t);
}

sub start_fpm ($t) {
    return $t->service(
        fpm => [ $PHP, '-n', '-F', '-y', '%%DIR%%/fpm.conf' ],
        at  => '%%tcp%%'
    );
}

# How many workers fit, as docs/findings.md has it.
sub fits ( $t, $row, @ ) {
    my $checks = $t->{diagnosis};
    my ($check) = grep { /MemAvailable/ }
      map { @{ $_->{checks} } } @{ $t->status->{diagnoses} };
    my ( $now, $each, $free, $room ) = $checks->run($check) =~
      /^(\d+) processes of (\d+) MB, (\d+) MB available: room for (\d+),/
      or return fail 'the number of workers that fit';
    my ( $least, $most ) = map { $now + 0.8 * $free / $_ } $each + 1, $each || 0.5;
    ok $room >= int $least && $room <= $most + 1,
      "$room is $now + 0.8 * $free / $each";
}

# A repair: what its configuration says until the row is over.
sub says ( $from, $to ) {
    return sub ($checks) {
        my $t = $checks->{t};
        $t->{fpm_conf} = Upstream502::Nginx::slurp("$t->{dir}/fpm.conf");
        $t->write_raw( 'fpm.conf', $t->{fpm_conf} =~ s/\Q$from\E/$to/gr );
        return;
    };
}

sub as_before ( $t, @ ) { $t->write_raw( 'fpm.conf', delete $t->{fpm_conf} ) }

# Checks have connected to the pool's only worker while it was busy.
sub as_before_and_idle ( $t, @ ) {
    as_before($t);
    my $socket = $t->dir . '/one.sock';
    unlink $t->dir . '/hanging';
    wait_for 'an empty queue',
      sub { qx(ss -Hlxn src $socket) =~ /LISTEN\s+0\s/ };
}

sub row ( $pool, $script, $name, %row ) {
    my $timeout = delete $row{patient} ? '30s' : '500ms';
    return {
        name => $name,
        conf => "fastcgi_param REQUEST_METHOD GET;
            fastcgi_param SCRIPT_FILENAME %%DIR%%/$script.php;
            fastcgi_buffer_size 4k; fastcgi_buffers 8 4k;
            fastcgi_read_timeout $timeout; fastcgi_pass %%$pool%%;",
        protocol => 'fastcgi',
        %row
    };
}

my @GONE =
  ( cause => 'reset_before_response', phase => 'header', errno => 104 );

# A request that keeps the pool's only worker until the row is over.
sub occupy ( $t, $row, $uri = "/r$row->{number}" ) {
    unlink $t->dir . '/hanging';
    my $sent = $t->send($uri);
    wait_for 'a script to hang', sub { -e $t->dir . '/hanging' };
    return $sent;
}

# Its script ends, and it has its answer.
sub release ( $t, $row, @ ) {
    unlink $t->dir . '/hanging';
    is $t->read( $row->{held} )->{status}, 200, 'the pool is free again';
}

sub occupy_and_fill ( $t, $row ) {
    return [ occupy( $t, $row ), fill_unix_queue( $t->dir . '/one.sock' ) ];
}

my @rows = (
    row(
        tcp => 'well',
        'all is well',
        status   => 200,
        protocol => undef,
    ),
    row(
        tcp => 'kill',
        'a worker is killed',
        @GONE,
        hint    => qr/was killed.*PHP-FPM: .*a segfault/,
        finding => 'still_listening',
        unsaid  => 'service_gone',
    ),
    row(
        ends => 'kill',
        'a worker is killed, unix socket',
        @GONE,
        hint => qr/was killed.*PHP-FPM: .*a segfault/,
    ),
    row(
        ends => 'hang',
        'request_terminate_timeout',
        patient => 1,
        @GONE,
        hint   => qr/PHP-FPM: request_terminate_timeout/,
        checks => [
            [
                qr/grep -rsnE/ => qr/fpm\.conf:\d+:request_terminate_timeout = 1s$/m,
                qr/fpm\.conf:\d+:request_terminate_timeout = 90s$/m
            ],
            [
                qr/tail -n 30/ => qr/(?:terminating|timed out)(?!.*ready to handle connections)/s,
                qr/ready to handle connections(?!.* terminating)/s
            ],
            [ qr/pid,lstart/ => qr/php-fpm: (?:master process|pool ends)/, \'it still runs' ],
        ],
        repair => sub ( $t, @ ) {
            says( 'timeout = 1s', 'timeout = 90s' )->( $t->{diagnosis} );
            $fpm->signal('USR2');
            return;
        },
        after  => \&as_before,
    ),
    row(
        tcp => 'cut',
        'a worker is killed inside the body',
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        phase   => 'body',
        errno   => 104,
        hint    => qr/PHP-FPM: request_terminate_timeout/,
    ),
    row(
        tcp => 'big',
        'the header is too big',
        cause => 'header_too_big',
        phase => 'header',
        hint  => qr/raise fastcgi_buffer_size \(now 4k\).*fastcgi_buffers/,
    ),
    row(
        tcp => 'fatal',
        'a fatal error in stderr is an answer',
        status   => 500,
        gateway  => 0,
        protocol => undef,
        after    => sub ( $t, $row, $r ) {
            like $t->error_log,
              qr/FastCGI sent in stderr: .*undefined_function/,
              'nginx has logged it';
        },
    ),
    row(
        one => 'hang',
        'a script is slow',
        before   => sub ( $t, $row ) { unlink $t->dir . '/hanging'; 0 },
        status   => 504,
        cause    => 'read_timeout',
        phase    => 'header',
        errno    => 110,
        hint     => qr/fastcgi_read_timeout 500ms ran out.*pm\.max_children/,
        finding  => 'no_answer',
        says     => 'has read all of the request, and no answer came within 500ms',
        unsaid   => [qw(not_accepted not_read queue_full)],
        evidence => { accepted => 1 },
        checks   => [
            [
                qr/grep -rsnE/ => qr/\A\z/,
                qr/fpm\.conf:\d+:request_slowlog_timeout = 2s$/m
            ],
        ],
        repair => sub ( $t, @ ) {
            says( "pm = static\n", "pm = static\nrequest_slowlog_timeout = 2s\n" )->( $t->{diagnosis} );
        },
        after => \&as_before_and_idle,
    ),
    row(
        one => 'well',
        'the pool is exhausted: its only worker is busy',
        server => 'location /occupy {
            fastcgi_param REQUEST_METHOD GET;
            fastcgi_param SCRIPT_FILENAME %%DIR%%/hang.php;
            fastcgi_pass %%one%%; }',
        before   => sub ( $t, @ ) { return occupy( $t, {}, '/occupy' ) },
        after    => \&release,
        status   => 504,
        cause    => 'read_timeout',
        phase    => 'header',
        errno    => 110,
        finding  => 'not_accepted',
        says     => '/one\.sock, the service never did; 1 waits for it',
        unsaid   => [qw(no_answer not_read)],
        evidence => { accepted => 0, queue => 1 },
    ),
    row(
        one => 'hang',
        'listen.backlog is full',
        before => \&occupy_and_fill,
        cause  => 'backlog_full',
        phase  => 'connect',
        errno  => 11,
        hint   => qr/PHP-FPM: pm\.max_children, listen\.backlog/,
        checks => [
            [ qr/Recv-Q wait/  => qr{LISTEN +[1-9].*/one\.sock}, qr{LISTEN +0 .*/one\.sock} ],
            [ qr/MemAvailable/ => qr/^\d+ processes of /, \'as much memory as before' ],
            [
                qr/grep -rsnE/ => qr/fpm\.conf:\d+:pm\.max_children = 1$/m,
                qr/:pm\.max_children = 4$/m, says( 'max_children = 1', 'max_children = 4' )
            ],
            [ qr/^sysctl / => qr/somaxconn = \d/, \'the service asks for less' ],
        ],
        repair => sub ( $t, $row ) { unlink "$t->{dir}/hanging"; splice @{ $row->{held} }; return },
        after  => sub (@given) { fits(@given); as_before(@given) },
        finding => 'queue_full',
        says    => 'room for 1\b',
    ),
    row(
        locked => 'well',
        'a socket of another owner',
        cause => 'permission_denied',
        phase => 'connect',
        errno => 13,
        hint  => qr/listen\.owner, listen\.group, listen\.mode/,
        checks => [
            [ qr/^namei -l/ => qr/^s(?:rw)?---.* locked\.sock$/m, qr/^srw-rw-rw-.* locked\.sock$/m ],
            [ qr/^setpriv /    => qr/^nginx may not connect$/, qr/^nginx may connect$/ ],
            [ qr/grep -rsnE/   => qr/listen\.mode = 0[06]00$/m, qr/\A(?:(?!.*mode = 0[06]00\n).+\n)+\z/ ],
        ],
        repair => sub ( $t, @ ) {
            chmod 0666, "$t->{dir}/locked.sock";
            return says( $> == 0 ? 'mode = 0600' : 'mode = 0000', 'mode = 0666' )->( $t->{diagnosis} );
        },
        after   => \&as_before,
        finding => 'no_permission',
        says    => 'may not write to \S+/locked\.sock',
    ),
    row(
        lost => 'well',
        'the socket was removed',
        before => sub ( $t, $row ) { unlink $t->dir . '/lost.sock'; 0 },
        cause  => 'socket_missing',
        phase  => 'connect',
        errno  => 2,
        hint   => qr/PHP-FPM: listen in the pool's file/,
        finding => 'socket_hidden',
        says    => 'its file was removed or replaced',
    ),
    row(
        tcp => 'hang_inside',
        'PHP-FPM is stopped inside the body',
        patient => 1,
        status  => 200,
        outcome => 'cut',
        cause   => 'body_incomplete',
        before  => sub ( $t, $row ) { unlink $t->dir . '/hanging'; 0 },
        during  => sub ( $t, $row ) {
            wait_for 'a script to hang', sub { -e $t->dir . '/hanging' };
            $fpm->stop;
        },
        phase   => 'body',
        errno   => 104,
        hint    => qr/PHP-FPM: request_terminate_timeout/,

        # Whether its port was closed before the connection was, is the
        # kernel's choice: no finding is asked for.
    ),
    row(
        tcp => 'well',
        'PHP-FPM is not running',
        cause => 'connection_refused',
        phase => 'connect',
        errno => 111,
        hint  => qr/PHP-FPM: systemctl status/,
        finding => 'port_closed',
    ),
    row(
        ends => 'well',
        'PHP-FPM was killed and left its socket',
        cause => 'connection_refused',
        phase => 'connect',
        errno => 111,
        hint  => qr/left behind.*PHP-FPM: systemctl status/,
        finding => 'socket_stale',
    ),
    row(
        tcp => 'well',
        'PHP-FPM is back',
        before   => sub ( $t, $row ) { $fpm = start_fpm($t); 0 },
        status   => 200,
        protocol => undef,
    ),
);

play( \@rows, setup => \&setup );
