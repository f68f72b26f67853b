#!/usr/bin/perl

# This machine runs out: of files, of worker_connections. nginx answers 500.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use Test::More;
use Upstream502::Sites;
use Upstream502::Diagnosis qw(edits);
use Upstream502::Test qw(:DEFAULT gained);
use Upstream502::Wire;

# Holds client connections that are inside a request until a proxied request
# cannot have one of its own, then checks how it failed.
sub exhaust ( $name, $site, $alert, $errno, $found, $checks, %conf ) {
    subtest $name => sub {
        my $t = Upstream502::Test->new( allow => [$alert] );
        $t->tcp( ok => [ 'read', [ write => http_last() ], 'close' ] );
        $t->conf(
            http   => 'upstream good { server %%ok%%; }',
            server => 'location = /ok { proxy_pass http://good; }',
            %conf,
        );
        $t->start;
        my $before = $t->status;
        my ( @held, $r );
        for ( 1 .. 60 ) {
            my $sent = $t->send( '/', raw => "GET / HTTP/1.1\r\n" );
            push @held, $sent->{socket};
            $r = $t->get('/ok');
            last if $r->{status} == 500;
        }
        is $r->{status}, 500, 'nginx answers 500';
        my $row = $t->row($r);
        is $row->{upstream_502},       1,                 'gateway response';
        is $row->{upstream_502_cause}, 'local_exhausted', 'cause';
        is $row->{upstream_502_phase}, 'connect',         'phase';
        is $row->{upstream_502_errno}, $errno,            'errno';
        is $row->{upstream_502_errno_class}, $errno eq '-' ? '-' : 'exhausted',
          'errno class';
        is $row->{upstream_502_origin},   'nginx', 'origin';
        is $row->{upstream_502_upstream}, 'good',  'upstream';
        my ( $finding, $says ) = @$found;
        my %found = map { $_->{name} => $_->{text} }
          @{ $t->object($r)->{findings} };
        is_deeply [ grep { /_used$/ } keys %found ], [$finding],
          'what is used up is found, and nothing else';
        like $found{$finding}, $says, 'it says so';
        pop @held for 1 .. 2;
        my $after = wait_for 'room for the status', sub {
            eval { $t->status }
        };
        is gained( $before, $after, \'good', 'causes', 'local_exhausted' ), 1,
          'counted';
        is gained( $before, $after, 'totals', 'responses', 500 ), 1, 'one 500';
        my %seen = ( events => $after->{events}, log => $t->error_log );
        ok Upstream502::Sites::note_reached( $site, 'proxy', \%seen, $name ),
          "site $site was reached";
        Upstream502::Diagnosis->new($t)->run_all(
            ( grep { $_->{upstream} eq 'good' } @{ $after->{diagnoses} } )[0],
            checks => $checks,
            repair => sub { close $_ for splice @held; return },
        );
        close $_ for @held;
        $t->finish;
    };
}

# A directive, what it says and what it should.
sub raised ( $directive, $from, $to ) {
    return [
        qr/^nginx -T .*$directive/ => qr/$directive $from;/,
        qr/$directive $to;/, edits( "$directive $from;", "$directive $to;" )
    ];
}

Upstream502::Sites::start_notes(
    Upstream502::Nginx->new( File::Temp::tempdir( CLEANUP => 1 ) )->version );
exhaust(
    'worker_connections', 'B4a', qr/worker_connections are not enough/,
    '-',
    [ connections_used => qr/^12 of 12 connections of this worker are in use / ],
    [
        [ qr/grep -c socket:/ => qr/^\d+: 1\d sockets\n\z/, qr/^\d+: [1-9] sockets\n\z/ ],
        raised( worker_connections => 12, 1024 ),
    ],
    events => 'worker_connections 12;'
);
exhaust( 'files', 'B3a', qr/socket\(\) failed \(24: |accept4?\(\) failed \(24: /,
    24,
    [ files_used => qr/^2[345] of 24 descriptors of this worker are in use / ],
    [
        [
            qr{/proc/\$p/fd} => qr/^\d+: 2\d used\nMax open files +24 +24 /m,
            qr/^\d+: 1\d used\nMax open files +24 +24 /m
        ],
        raised( worker_rlimit_nofile => 24, 4096 ),
    ],
    main => 'worker_rlimit_nofile 24;' );

done_testing;
