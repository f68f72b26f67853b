#!/usr/bin/perl

# The whole machine has no file left, or so it seems to nginx: the kernel refuses
# it a socket as it would then, and its count is a file of the test's.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Upstream502::Namespace;
use Upstream502::Runner;
use Upstream502::Seccomp qw(can_seccomp);
use Upstream502::Wire;

plan skip_all => 'the filter is for another processor' if !can_seccomp();
enter_namespace();

# Open, unused, at most.
sub count ( $t, $open ) { return $t->write_raw( 'file-nr', "$open\t0\t70000\n" ) }

play(
    [
        {
            name    => 'no file is left',
            site    => 'B3a',
            unix    => 1,
            b       => answer( http_last() ),
            conf    => 'proxy_pass http://%%b%%:/;',
            status  => 500,
            errno   => 23,
            finding => 'files_used',
            says    => '^70000 of 70000 ',
            unsaid  => [qw(connections_used ports_used)],
            evidence => { files_of => 'machine', files_used => 70_000, files_max => 70_000 },
            checks   => [
                [ qr/^sysctl fs\.file-nr/ => qr/= 70000\s+0\s+70000$/, qr/= 9000\s+0\s+70000$/ ],
            ],
            repair => sub ( $t, @ ) { count( $t, 9000 ); return },
        },
    ],
    setup => sub ($t) {
        quietly( 'mount --bind ' . count( $t, 70_000 ) . ' /proc/sys/fs/file-nr' )
          or die "mount fails\n";
        $t->nginx->{as} = [
            $^X, "-I$FindBin::Bin/lib", qw(-MUpstream502::Seccomp -e without_files)
        ];
    },
    allow => [qr/socket\(\) failed \(23: /],
);
