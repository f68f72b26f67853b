#!/usr/bin/perl

# state=: statistics survive a restart, and a crash but for the last minute;
# what is wrong with the file is said once and never keeps nginx from starting.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);
use Upstream502::Http qw(request);
use Upstream502::Nginx;
use Upstream502::Test;

my $SIZE = '2m';

sub new_test (%http) {
    my $t = Upstream502::Test->new(
        allow => [qr/bind\(\) to \S+ failed \(98: /] );
    mkdir $t->dir . '/kept';
    my $uid = ( getpwnam 'nobody' )[2];
    chown $uid, -1, $t->dir . '/kept' if $> == 0;
    configure( $t, path($t), $SIZE );
    return $t;
}

sub path ($t) { return $t->dir . '/kept/state' }

sub configure ( $t, $path, $size, $http = '' ) {
    $t->conf(
        http   => "upstream_502_zone z:$size events=64 state=$path; $http",
        server => 'location / { proxy_pass http://%%closed%%; }',
    );
}

my $sent = 0;

sub ask ( $t, $times = 1 ) {
    for ( 1 .. $times ) {
        $sent++ if $t->get('/')->{status} == 502;
    }
}

sub failures ($t) { return $t->status->{totals}{failures} }

sub restart ($t) {
    $t->nginx->stop;
    $t->nginx->start;
}

# The number of a file that went may be the next one's.
sub saved ($t) { return join ' ', ( Time::HiRes::stat( path($t) ) )[ 1, 9 ] }

# A reload starts the process that saves anew, which does so at once.
sub save_now ($t) {
    my $was = saved($t);
    $t->reload;
    wait_for 'the state to be written', sub { saved($t) ne $was };
}

sub newest ($t) { return $t->status->{events}[0]{id} }

sub recorded ($t) {
    return $t->get('/status?format=prometheus')->{body} =~
      /^nginx_upstream_502_events_total (\d+)$/m ? $1 : -1;
}

my $t = new_test();
$t->start;

subtest 'a restart' => sub {
    ask( $t, 5 );
    my $before = $t->status;
    is $before->{server}{restarts}, 0, 'none yet';
    restart($t);
    my $after = $t->status;
    is $after->{totals}{failures}, 5, 'counters go on';
    is scalar @{ $after->{events} }, 5, 'events are there';
    is $after->{events}[0]{message}, $before->{events}[0]{message},
      'with their text';
    is $after->{server}{start_time}, $before->{server}{start_time},
      'counting since the same time';
    is $after->{server}{restarts}, 1, 'a number tells';
    is_deeply $after->{upstreams}[0]{history}{failures}[-1]
      + $after->{upstreams}[0]{history}{failures}[-2], 5, 'history goes on';
    my @info = stat path($t);
    is $info[2] & 07777, 0600, 'for nobody else';
    ask($t);
    is $t->status->{events}[0]{id}, 6, 'ids go on';
    is_deeply [ glob $t->dir . '/kept/*.tmp.*' ], [], 'nothing left beside it';
};

subtest 'restarts in traffic' => sub {
    for ( 1 .. 12 ) {
        ask( $t, 3 );
        restart($t);
    }
    is failures($t), $sent, "$sent requests, $sent failures";
    is $t->status->{server}{restarts}, 13, 'every restart is counted';
    my @seen = grep { $_->{status} == 502 } $t->rows;
    is scalar @seen, $sent, 'as the access log says';
};

subtest 'everything is killed' => sub {
    save_now($t);
    my $kept = failures($t);
    ask( $t, 4 );
    $t->nginx->kill_all;
    $t->nginx->start;
    is failures($t), $kept, 'what was written before is there';
    $sent = $kept;
    ask($t);
    restart($t);
    is failures($t), $sent, 'and goes on';
};

# What was handed out since the file was written is in somebody's mail by now.
subtest 'no id comes twice' => sub {
    save_now($t);
    ask( $t, 4 );
    my $event = newest($t);
    my $total = recorded($t);
    $t->nginx->kill_all;
    $t->nginx->start;
    $sent = failures($t);
    my $kept = newest($t);
    is $kept, $event - 4, 'what is on record has the id that it had';
    ask($t);
    my $next = newest($t);
    cmp_ok $next, '>', $event, 'the next one is new';
    is recorded($t), $total - 4 + 1, 'nothing is counted that was not';
    restart($t);
    ask($t);
    is newest($t), $next + 1, 'a restart skips none';
    restart($t);
};

SKIP: {
    skip 'needs a folder that its worker may not write to', 1 if $> != 0;
    subtest 'no id comes twice, killed before the first file' => sub {
        my $dir = $t->dir . '/kept';
        $t->nginx->stop;
        my $owner = ( stat $dir )[4];
        chown 0, -1, $dir;
        $t->nginx->start;
        ask( $t, 2 );
        my $event = newest($t);
        $t->nginx->kill_all;
        chown $owner, -1, $dir;
        $t->nginx->start;
        $sent = failures($t);
        ask($t);
        cmp_ok newest($t), '>', $event, 'the next one is new';
        restart($t);
    };
}

# A reload starts a process that writes at once: sooner or later one is killed
# inside of that.
subtest 'everything is killed while it is written' => sub {
    my @kept = ($sent);
    for my $round ( 1 .. 20 ) {
        ask( $t, 2 );
        my $was = saved($t);
        kill HUP => $t->nginx->pid;
        if ( $round % 5 ) {
            sleep 0.004 * $round;
        }
        else {
            wait_for 'the state to be written', sub { saved($t) ne $was };
        }
        $t->nginx->kill_all;
        $t->nginx->start;
        my $now = failures($t);
        ok $now == $sent || $now == $kept[-1], "round $round: the new book, or the old"
          or diag "$now of $sent, $kept[-1] before";
        push @kept, $now;
        $sent = $now;
    }
    cmp_ok $kept[-1], '>', $kept[0], 'some were written';
};

# The next nginx is started while the one before is ending: it waits for the
# file, and for the port.
subtest 'restarts that overlap' => sub {
    my $restarts = $t->status->{server}{restarts};
    my $rounds   = 8;
    my $overlaps = 0;
    for ( 1 .. $rounds ) {
        ask( $t, 3 );
        my $old = $t->nginx->pid;
        kill QUIT => $old;
        $overlaps++ if Upstream502::Nginx::alive($old);
        $t->nginx->start;
        ok !Upstream502::Nginx::alive($old), 'the one before has ended';
    }
    cmp_ok $overlaps, '>', 0, "$overlaps were started before";
    is failures($t), $sent, "$sent failures";
    is $t->status->{server}{restarts}, $restarts + $rounds, 'each is counted';
    unlike $t->error_log, qr/it is left alone/, 'none went without the file';
};

subtest 'a write that was cut short' => sub {
    $t->write_raw( 'kept/state.tmp.99999', 'half' );
    restart($t);
    is failures($t), $sent, 'is none';
    ok !-e $t->dir . '/kept/state.tmp.99999', 'and is cleared away';
};

subtest 'a reload' => sub {
    ask($t);
    $t->reload;
    is failures($t), $sent, 'goes on';
    restart($t);
    is failures($t), $sent, 'and is saved';
};

subtest 'a second nginx with this file' => sub {
    my $other = Upstream502::Test->new;
    configure( $other, path($t), $SIZE );
    $other->start;
    like $other->error_log,
      qr/\[warn\].*state ".*" is in use by another nginx, it is left alone$/m,
      'says so';
    is failures($other), 0, 'and starts afresh';
    $sent-- if $other->get('/')->{status} != 502;
    $other->finish;
    restart($t);
    is failures($t), $sent, 'the first one keeps it';
};

# How a file may be spoilt, and what is said of it.
my $image;

sub flip ( $at, $t ) {
    my $bytes = $image;
    substr( $bytes, $at, 1 ) =~ tr{\x00-\xff}{\x80-\xff\x00-\x7f};
    $t->write_raw( 'kept/state', $bytes );
}

# A head as another version would write it: its layout is the version in the
# lowest byte, and above it the sizes of what lies in the memory.
sub layout ( $more, $t ) {
    my $bytes = $image;
    substr( $bytes, 8, 8 ) = pack 'Q', $more + unpack 'Q', substr $bytes, 8, 8;
    $t->write_raw( 'kept/state', $bytes );
}

my @SPOILT = (
    [ 'missing' => sub { unlink path( $_[0] ) }, qr/is not there yet/ ],
    [ 'empty' => sub { truncate path( $_[0] ), 0 }, qr/is truncated, or of a smaller zone/ ],
    [ 'cut'   => sub { truncate path( $_[0] ), 70000 }, qr/is truncated, or of a smaller zone/ ],
    [
        'longer' => sub { truncate path( $_[0] ), 9 << 20 },
        qr/is of a larger zone/
    ],
    [ 'another file' => sub { flip( 0, @_ ) }, qr/is not a state file of this module, or was written on another architecture/ ],
    [
        'another layout' => sub { flip( 8, @_ ) },
        qr/has another version's layout/
    ],
    (
        map {
            my ( $name, $more ) = @$_;
            [
                "of $name" => sub { layout( $more, @_ ) },
                qr/has another version's layout/
            ]
        } [ 'an older layout' => -1 ],
        [ 'a newer layout'       => 1 ],
        [ 'a longer header'      => 1 << 8 ],
        [ 'shorter upstreams'    => -( 1 << 20 ) ],
        [ 'longer peers'         => 1 << 32 ],
        [ 'longer incidents'     => 1 << 52 ]
    ),
    [ 'another size' => sub { flip( 16, @_ ) }, qr/zone of another size/ ],
    [ 'another sum'  => sub { flip( 24, @_ ) }, qr/is corrupt/ ],
    (
        map {
            my $at = $_;
            [ "a bit at $at" => sub { flip( $at, @_ ) }, qr/is corrupt/ ]
        } 4096, 4112, 9000, 50000, 300000
    ),
    [
        'a link' => sub {
            rename path( $_[0] ), path( $_[0] ) . '.old';
            symlink path( $_[0] ) . '.old', path( $_[0] );
        },
        qr/is a symbolic link/
    ],
    [ 'a directory' => sub { unlink path( $_[0] ); mkdir path( $_[0] ) },
        qr/is not a regular file/ ],
    [
        'writable by others' => sub { chmod 0622, path( $_[0] ) },
        qr/is writable by others/
    ],
    [
        'a pipe' =>
          sub { unlink path( $_[0] ); POSIX::mkfifo( path( $_[0] ), 0600 ) },
        qr/is not a regular file/
    ],
    [
        "somebody else's" => sub { chown 12345, -1, path( $_[0] ) },
        qr/belongs to somebody else/
    ],
);

for my $spoilt (@SPOILT) {
    my ( $name, $spoil, $said ) = @$spoilt;
    next if $> != 0 && $name eq "somebody else's";
    subtest "a file that is $name" => sub {
        $t->nginx->stop;
        -d path($t) ? rmdir path($t) : unlink path($t);
        $image //= $t->slurp('kept/state.good') || do {
            $t->nginx->start;
            ask($t);
            $t->nginx->stop;
            $t->slurp('kept/state');
        };
        $t->write_raw( 'kept/state', $image );
        chmod 0600, path($t);
        $spoil->($t);
        my $log = length $t->error_log;
        $t->nginx->start;
        my @lines =
          grep { /\[notice\].*upstream_502_zone "z": state/ } split /\n/,
          substr $t->error_log, $log;
        is scalar @lines, 1, 'one line' or diag join "\n", @lines;
        like $lines[0], qr/\[notice\].*$said, statistics start afresh$/,
          'says so';
        my $status = $t->status;
        is $status->{totals}{failures},  0, 'a fresh start';
        is $status->{server}{restarts}, 0, 'that is no restart';
        $sent = 0;
        ask( $t, 2 );
        is failures($t), 2, 'which counts';
    };
}

subtest 'a zone of another size' => sub {
    rmdir path($t) if -d path($t);
    restart($t);
    configure( $t, path($t), '3m' );
    $t->reload;
    is failures($t), 0, 'a fresh start';
    ask( $t, 3 );
    restart($t);
    is failures($t), 3, 'and saved from then on';
};

subtest 'the directory' => sub {
    my $dir = $t->dir;
    for my $case (
        [ "$dir/none/state", qr/its directory "[^"]*none" cannot be used \(2: / ],
        [ "$dir/error.log/state", qr/"[^"]*error.log" is no directory/ ],
        [ "$dir/kept", qr/it is a directory/ ],
        $> == 0
        ? [ "$dir/state", qr/its directory "\Q$dir\E" cannot be written by the user "nobody"/ ]
        : (),
      )
    {
        my ( $code, $output ) = $t->check_config(
            http => "upstream_502_zone z:2m state=$case->[0];" );
        is $code, 1, "$case->[0] is refused";
        like $output, qr/\[emerg\].*state ".*" cannot be written: $case->[1]/,
          'and told';
    }
    my ($code) =
      $t->check_config( http => 'upstream_502_zone z:2m state=kept/other;' );
    is $code, 0, 'a path below the prefix';
    ok !-e "$dir/kept/other", 'nothing is written by a check';
};

SKIP: {
    my $full = $t->dir . '/full';
    mkdir $full;
    skip 'no file system of its own here', 1
      if $> != 0
      || system("mount -t tmpfs -o size=16k,mode=0777 none $full 2>/dev/null");
    subtest 'a disk that is full, then read-only' => sub {
        configure( $t, "$full/state", $SIZE );
        restart($t);
        ask($t);
        restart($t);
        is failures($t), 0, 'nothing could be kept';
        like $t->error_log, qr/\[warn\].*state ".*" cannot be written \(28: /,
          'it is said';
        $t->nginx->stop;
        system "mount -o remount,ro $full";
        $t->nginx->start;
        is $t->get('/')->{status}, 502, 'nginx serves';
        $t->nginx->stop;
        like $t->error_log, qr/\[warn\].*state ".*" cannot be \w+ \(30: /,
          'it is said';
        system "umount $full";
    };

    # It cannot be locked there, and is left alone.
    subtest 'a good file that is read-only' => sub {
        system("mount -t tmpfs -o size=16m,mode=0777 none $full") == 0
          or die "no tmpfs\n";
        configure( $t, "$full/state", $SIZE );
        $t->nginx->start;
        ask( $t, 5 );
        my $kept = failures($t);
        $t->nginx->stop;
        my $bytes = $t->slurp('full/state');
        system "mount -o remount,ro $full";
        my $log = length $t->error_log;
        $t->nginx->start;
        is $t->get('/')->{status}, 502, 'nginx serves';
        is failures($t), $kept + 1, 'and counts go on';
        $t->nginx->stop;
        my @said = grep { /\[(?:warn|error|crit|alert|emerg)\].*state/ } split /\n/,
          substr $t->error_log, $log;
        ok @said, 'it is said';
        like $_, qr/\[warn\].*cannot be written \(30: /, 'by one who saves' for @said;
        ok $t->slurp('full/state') eq $bytes, 'the file is as it was';
        system "mount -o remount,rw $full";
        $t->nginx->start;
        is failures($t), $kept, 'and is read again when that may be written';
        $t->nginx->stop;
        system "umount $full";
    };
}

$t->finish;
done_testing;
