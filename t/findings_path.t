#!/usr/bin/perl

# What is wrong with the path of a unix socket, told apart by what the kernel
# and the file system know.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Net qw(listen_unix wait_for);
use Upstream502::Nginx ();
use Upstream502::Runner;
use Upstream502::Service;

enter_namespace();
plan skip_all => 'root may pass every directory' if $> != 0;

sub to ( $path, %row ) {
    return {
        site  => 'B10d',
        errno => 2,
        conf  => "proxy_pass http://unix:%%DIR%%/$path;",
        %row,
    };
}

sub forbidden ( $path, %row ) {
    return to(
        $path,
        site    => 'B10e',
        errno   => 13,
        finding => 'no_permission',
        %row,
    );
}

# A directory, and a service that listens in it.
sub listening ( $directory, $mode = 0755, $socket_mode = 0777 ) {
    return sub ( $t, @ ) {
        my $path = $t->dir . "/$directory";
        mkdir $path;
        my $held = listen_unix( "$path/app.sock", mode => $socket_mode );
        chmod $mode, $path;
        return $held;
    };
}

# A service in a mount namespace of its own, where the directory is another
# one: as with PrivateTmp.
sub listening_elsewhere ( $t, @ ) {
    my $private = $t->dir . '/private';
    mkdir $private;
    unlink $t->dir . '/private.log';
    my $service = Upstream502::Service->new(
        $t->dir . '/private.log',
        qw(unshare -m sh -c),
        'mount -t tmpfs tmpfs "$1" && exec "$0" -e \'
            use IO::Socket::UNIX;
            my $l = IO::Socket::UNIX->new( Local => "$ARGV[0]/app.sock",
                Listen => 8 ) or die $!;
            $| = 1; print "listening\n"; sleep 600\' "$1"',
        $^X, $private
    );
    my $log = eval {
        wait_for 'the hidden service', sub { $service->log =~ /listening/ };
    };
    return $service;
}

# The same, and what it was before is still seen here.
sub replaced ( $t, @ ) {
    my $path    = $t->dir . '/private/app.sock';
    my $service = listening_elsewhere($t);
    close listen_unix( $path, mode => 0640 );
    return $service;
}

sub file ( $t, @ ) {
    $t->write( 'config.txt', "not a socket\n" );
    chmod 0666, $t->dir . '/config.txt';
    return;
}

play(
    [
        to(
            'private/app.sock',
            name     => 'the service has another mount namespace',
            before   => \&listening_elsewhere,
            finding  => 'socket_hidden',
            says     => '^a service listens on \S+/private/app\.sock, but not on',
            unsaid   => [qw(socket_absent directory_missing)],
            evidence => { listening_hidden => 1, path_fault => 'absent' },
            skip     => can_mount(),
        ),
        to(
            'empty/app.sock',
            name     => 'the file is not there',
            before   => sub ( $t, @ ) { mkdir $t->dir . '/empty'; return },
            finding  => 'socket_absent',
            says     => 'empty/app\.sock is not there, its directory is',
            unsaid   => [qw(socket_hidden directory_missing)],
            evidence => { listening_hidden => 0, path_fault => 'absent' },
        ),
        to(
            'none/run/app.sock',
            name     => 'the directory is not there',
            finding  => 'directory_missing',
            says     => '^the directory %%DIR%%/none is not there$',
            unsaid   => [qw(socket_absent socket_hidden)],
            evidence => { path => qr{/none$} },
        ),
        to(
            'config.txt',
            name     => 'a file is no socket',
            site     => 'B10a',
            errno    => 111,
            before   => \&file,
            finding  => 'not_a_socket',
            says     => '/config\.txt is a file, not a socket$',
            unsaid   => [qw(socket_stale socket_absent)],
            evidence => { path_kind => 'file' },
        ),
        to(
            'dead.sock',
            name   => 'a link that leads nowhere',
            before => sub ( $t, @ ) { symlink 'gone.sock', $t->dir . '/dead.sock'; return },
            finding  => 'not_a_socket',
            says     => '/dead\.sock is a link that leads nowhere, not a socket',
            unsaid   => [qw(socket_absent socket_stale)],
            evidence => { path_kind => 'link' },
        ),
        to(
            'locked.txt',
            name     => 'a file that may not be written to is no socket either',
            site     => 'B10e',
            errno    => 13,
            before   => sub ( $t, @ ) { $t->write( 'locked.txt', "x\n" ); chmod 0644, $t->dir . '/locked.txt'; return },
            finding  => 'not_a_socket',
            says     => '/locked\.txt is a file, not a socket$',
            unsaid   => [qw(no_permission confined)],
            evidence => { path_kind => 'file' },
        ),
        to(
            'config.txt/app.sock',
            name    => 'a file is no directory',
            errno   => 20,
            before  => \&file,
            finding => 'not_a_socket',
            says    => '/config\.txt is a file, not a directory$',
        ),
        forbidden(
            'closed/app.sock',
            name     => 'a directory that may not be passed',
            before   => listening( closed => 0700 ),
            says     => 'may not pass \S+/closed: mode 0700, owner uid 0',
            unsaid   => [qw(confined socket_hidden)],
            evidence => { path => qr{/closed$}, path_mode => '0700' },
        ),
        forbidden(
            'open/app.sock',
            name   => 'a socket that may not be written to',
            before => listening( open => 0755, 0640 ),
            says   =>
              'may not write to \S+/open/app\.sock: mode 0640, owner uid 0',
            unsaid   => [qw(confined socket_hidden)],
            evidence => { path => qr{/app\.sock$}, path_mode => '0640' },
        ),
        forbidden(
            'private/app.sock',
            name     => 'a socket that may not be written to, and the service has another',
            before   => \&replaced,
            finding  => 'socket_hidden',
            says     => '^a service listens on \S+/private/app\.sock, but not on the file',
            unsaid   => [qw(confined socket_absent)],
            evidence => { listening_hidden => 1, path_mode => '0640' },
            skip     => can_mount(),
        ),
        to(
            'open/app.sock',
            name     => 'the service listens on another socket there',
            site     => 'B10a',
            errno    => 111,
            before   => \&left_behind,
            finding  => 'socket_stale',
            says     => 'is there, but nobody listens on it; listened on near by: ',
            unsaid   => [qw(not_a_socket socket_absent)],
            evidence => { listening => 0, path_kind => 'socket' },
        ),
    ]
);

# The file of a service that ended, and another service beside it.
sub left_behind ( $t, @ ) {
    my $path = $t->dir . '/open/app.sock';
    unlink $path;
    close listen_unix($path);
    return listen_unix( $t->dir . '/open/other.sock' );
}

# Why there can be no mount namespace; undef: there can.
sub can_mount () {
    return quietly('unshare -m mount -t tmpfs tmpfs /mnt')
      ? undef
      : 'no permission to mount';
}
