#!/usr/bin/perl
# nginx with the module before healthy and broken backends: sends each a few
# requests, prints the module's report, and keeps its page up until Ctrl-C.
#
#   run.pl MODULE       DEMO_ONESHOT=1: ends after the report
#
# Everything lives in a temporary folder and on free ports of 127.0.0.1, and
# ends with this process. The backends are those of the tests.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/../t/lib";

use Cwd        qw(abs_path);
use File::Temp ();
use POSIX      ();
use Upstream502::Backend ();
use Upstream502::Http    qw(send_request read_response request);
use Upstream502::Net qw(reserve_port listen_unix fill_unix_queue wait_for);
use Upstream502::Nginx ();

my $module = abs_path( $ARGV[0] // '' )
  // die "usage: $0 MODULE\n";
-f $module or die "no module at $module: run make\n";

my $OK   = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
my %PLAY = (
    healthy             => [ ( 'read', [ write => $OK ] ) x 40 ],
    healthy2            => [ ( 'read', [ write => $OK ] ) x 40 ],
    crash_after_request => ['read'],
    crash_in_header => [ 'read', [ write => "HTTP/1.1 200 OK\r\nContent-Ty" ] ],
    crash_in_body   => [
        'read', [ write => "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<ht" ]
    ],
    header_too_big => [
        'read',
        [
            write => "HTTP/1.1 200 OK\r\nSet-Cookie: session="
              . 'x' x 9000
              . "\r\n\r\n"
        ],
        'hold',
    ],
    slow     => [ 'read', 'hold' ],
    says_502 => [
        'read',
        [ write => "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n" ]
    ],

    # Gone when the second request on the connection is on its way.
    keepalive_too_short => [ 'read', [ write => $OK ], 'read' ],
);

# Name, what is wrong with it, how many requests, and whether some are POSTs.
my @SCENES = (
    [ healthy             => 'answers',                            6 ],
    [ wrong_port          => 'listens, but on the next port',      4 ],
    [ stopped             => 'answered, then was stopped',         4 ],
    [ socket_missing      => 'its unix socket is not there',       4 ],
    [ socket_forbidden    => 'its unix socket is mode 0000',       4 ],
    [ queue_full          => 'accepts nobody from its queue',      4 ],
    [ crash_after_request => 'dies when it has read the request',  4 ],
    [ crash_in_header     => 'dies inside the response header',    4 ],
    [ crash_in_body       => 'dies inside the response body',      4 ],
    [ header_too_big      => 'sends a cookie of 9000 bytes',       4 ],
    [ slow                => 'needs longer than proxy_read_timeout', 4 ],
    [ says_502            => 'is a gateway itself, and answers 502', 4 ],
    [ keepalive_too_short => 'ends kept connections in use',      6, 'POST' ],
    [ one_bad_of_three    => 'one peer of three is down',         9 ],
    [ all_down            => 'every peer is down',                4 ],
    [ no_resolver         => 'a name from a variable, no resolver', 4 ],
    [ php_exhausted       => 'PHP-FPM, its one worker is busy',   4 ],
    [ php_slow            => 'PHP-FPM, its script is slow',       4 ],
);

# Those whose trouble is that many come at once.
my %AT_ONCE = map { $_ => 1 } qw(slow php_exhausted php_slow);

# Addresses of their own, so that what listens beside them is their own, too.
my %HOST = ( wrong_port => '127.5.2.1', stopped => '127.5.2.2' );

my $folder = File::Temp->newdir( 'upstream_502_demo.XXXXXX', TMPDIR => 1 );
my $dir    = "$folder";
chmod 0755, $dir;
my $owner = $$;
my ( @farms, @held, $nginx, $php );

$SIG{$_} = sub { exit 0 } for qw(INT TERM HUP);

END {
    if ( defined $owner && $$ == $owner ) {
        my $code = $?;
        @held = ();    # nginx would wait for who occupies the pool
        $nginx->stop if $nginx;
        $_->stop for @farms;
        if ($php) {
            kill TERM => $php;
            waitpid $php, 0;
        }
        undef $folder;
        $? = $code;
    }
}

sub slurp ($path) { return Upstream502::Nginx::slurp($path) }

sub write_file ( $name, $text ) {
    open my $file, '>:raw', "$dir/$name" or die "$dir/$name: $!\n";
    print $file $text;
    close $file or die "$dir/$name: $!\n";
}

sub farm ($name) {
    mkdir "$dir/$name" or die "$dir/$name: $!\n";
    push @farms, Upstream502::Backend->new("$dir/$name");
    return $farms[-1];
}

# The user that nginx's and PHP-FPM's workers become.
sub worker_user () {
    if ( $> != 0 ) {
        return;
    }
    my @user = getpwnam 'nobody' or die "no user nobody\n";
    return ( 'nobody', scalar getgrgid $user[3] );
}

# Two pools: one of a single worker, one with enough of them.
sub pool ( $name, $workers ) {
    my ( $user, $group ) = worker_user();
    my $as = $user ? "user = $user\ngroup = $group\n" : '';
    return <<"END";
[$name]
${as}listen = $dir/$name.sock
listen.mode = 0666
pm = static
pm.max_children = $workers
END
}

sub start_php () {
    my ($binary) = reverse sort glob '/usr/sbin/php-fpm[0-9]*'
      or die "no PHP-FPM: apt-get install php-fpm\n";
    mkdir "$dir/php" or die "$dir/php: $!\n";
    chmod 0777, "$dir/php";
    write_file( 'php/busy.php',
        '<?php touch(__DIR__ . "/busy"); sleep(50); echo "ok\n";' );
    write_file( 'php-fpm.conf', <<"END" . pool( exhausted => 1 ) . pool( slow => 5 ) );
[global]
error_log = $dir/php-fpm.log
daemonize = no

END
    $php = fork // die "fork: $!\n";
    if ( $php == 0 ) {
        setpgrp 0, 0;
        open STDERR, '>>', "$dir/php-fpm.log";
        exec $binary, '-n', '-F', '-y', "$dir/php-fpm.conf"
          or POSIX::_exit(127);
    }
    eval {
        wait_for 'PHP-FPM', sub { slurp("$dir/php-fpm.log") =~ /ready to handle/ };
        1;
    } or die $@ . slurp("$dir/php-fpm.log");
}

# All the places %%NAME%% of the configuration stands for.
sub set_the_stage () {
    my %place = ( DIR => $dir, MODULE => $module );
    my ( $user, $group ) = worker_user();
    $place{USER} = $user ? "user $user $group;" : '';

    # Stopped later, so it needs a process of its own.
    my $doomed = farm('doomed');
    $place{stopped} = "$HOST{stopped}:"
      . $doomed->tcp( stopped => $PLAY{healthy}, host => $HOST{stopped} );
    $doomed->start;

    my $farm = farm('backends');
    for my $name ( sort keys %PLAY ) {
        $place{$name} = '127.0.0.1:' . $farm->tcp( $name, $PLAY{$name} );
    }
    $place{socket_forbidden} =
      'unix:' . $farm->unix( forbidden => ['read'], mode => 0 );
    my $misplaced = $farm->tcp(
        misplaced => $PLAY{healthy},
        host      => $HOST{wrong_port}
    );
    $farm->start;

    my ( $closed, $closed_socket ) = reserve_port();
    push @held, $closed_socket;
    $place{closed}     = "127.0.0.1:$closed";
    $place{wrong_port} = "$HOST{wrong_port}:" . ( $misplaced + 1 );
    my $queue = "$dir/queue.sock";
    push @held, listen_unix( $queue, backlog => 1 );
    push @held, fill_unix_queue($queue);
    $place{queue_full} = "unix:$queue";

    ( $place{PORT}, my $socket ) = reserve_port();
    push @held, $socket;
    return ( $doomed, %place );
}

# "200 x4, 502 x2": what the clients saw.
sub summary (@responses) {
    my %count;
    for my $r (@responses) {
        $count{ $r->{status} . ( $r->{complete} ? '' : ' cut short' ) }++;
    }
    return join ', ', map { "$_ x$count{$_}" } sort keys %count;
}

sub send_traffic ( $port, $name, $count, $method = 'GET' ) {
    my @o = map {
        {
            uri => "/$name",
            # nginx saves the GETs, which may be sent twice, and no POST.
            $_ % 2 && $method eq 'POST'
            ? ( method => 'POST', body => 'order=1' )
            : ()
        }
    } 1 .. $count;
    if ( !$AT_ONCE{$name} ) {
        return map { request( $port, %$_ ) } @o;
    }
    my @sent = map { send_request( $port, %$_ ) } @o;
    return map { read_response($_) } @sent;
}

sub main () {
    STDOUT->autoflush(1);
    say "starting nginx and its backends in $dir";
    start_php();
    my ( $doomed, %place ) = set_the_stage();
    my $port = $place{PORT};
    my $conf = slurp("$FindBin::Bin/nginx.conf");
    $conf =~ s/%%(\w+)%%/$place{$1} \/\/ die "nothing is called $1\n"/ge;
    write_file( 'nginx.conf', $conf );
    $nginx = Upstream502::Nginx->new($dir);
    $nginx->start;

    # What worked before is told apart from what never did.
    send_traffic( $port, 'stopped', 4 );
    $doomed->stop;

    push @held, send_request( $port, uri => '/occupy' );
    wait_for 'the pool to be busy', sub { -e "$dir/php/busy" };

    say "\nwhat is wrong, and what the clients see:\n";
    for my $scene (@SCENES) {
        my ( $name, $story, @traffic ) = @$scene;
        my @responses = send_traffic( $port, $name, @traffic );
        printf "  %-20s %-38s %s\n", $name, $story, summary(@responses);
    }

    my $status = '/upstream_502_status';
    my $report = request(
        $port,
        uri      => "$status?format=text&limit=10",
        patience => 10
    );
    $report->{status} == 200 or die "the status location: $report->{raw}\n";
    say "\nwhat the module says about it:\n";
    print $report->{body};

    if ( $ENV{DEMO_ONESHOT} ) {
        return;
    }
    my $url = "http://127.0.0.1:$port$status";
    say "\nthe page:        $url";
    say "metrics, JSON:   $url?format=prometheus";
    say "                 $url?format=json";
    say "the access log:  $dir/why.log";
    say "\nCtrl-C ends it and leaves nothing behind.";
    sleep 3600 while 1;
}

main();
