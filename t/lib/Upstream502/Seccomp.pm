# Begins a program to which the kernel refuses sockets of one kind: netlink's, as
# a sandbox does; unix ones, as where the machine has no file left. In the place
# of a command:
#
#   perl -It/lib -MUpstream502::Seccomp -e without_netlink nginx -c …

package Upstream502::Seccomp;

use v5.36;

use Exporter qw(import);
use POSIX    ();

our @EXPORT = qw(without_netlink without_files can_seccomp);

use constant {
    AF_NETLINK           => 16,
    AF_UNIX              => 1,
    AUDIT_ARCH_X86_64    => 0xc000003e,
    EACCES               => 13,
    ENFILE               => 23,
    PR_SET_NO_NEW_PRIVS  => 38,
    PR_SET_SECCOMP       => 22,
    SECCOMP_MODE_FILTER  => 2,
    SECCOMP_RET_ALLOW    => 0x7fff0000,
    SECCOMP_RET_ERRNO    => 0x00050000,
    SYS_PRCTL            => 157,
    SYS_SOCKET           => 41,
};

sub can_seccomp () { return ( POSIX::uname() )[4] eq 'x86_64' }

# Classic BPF over struct seccomp_data: nr at 0, arch at 4, the first argument
# at 16.
sub filter ( $family, $errno ) {
    my ( $load, $equal, $return ) = ( 0x20, 0x15, 0x06 );
    my @program = (
        [ $load,   0, 0, 4 ],
        [ $equal,  0, 4, AUDIT_ARCH_X86_64 ],
        [ $load,   0, 0, 0 ],
        [ $equal,  0, 2, SYS_SOCKET ],
        [ $load,   0, 0, 16 ],
        [ $equal,  1, 0, $family ],
        [ $return, 0, 0, SECCOMP_RET_ALLOW ],
        [ $return, 0, 0, SECCOMP_RET_ERRNO | $errno ],
    );
    return ( scalar @program, join '', map { pack 'SCCL', @$_ } @program );
}

sub without_netlink () { return run_without( AF_NETLINK, EACCES ) }
sub without_files   () { return run_without( AF_UNIX,    ENFILE ) }

sub run_without (@what) {
    my ( $count, $program ) = filter(@what);
    my $bpf = pack 'Sx![P]P', $count, $program;
    syscall( SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0 ) == 0
      or die "no_new_privs: $!\n";
    syscall( SYS_PRCTL, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, $bpf, 0, 0 ) == 0
      or die "seccomp: $!\n";
    exec @ARGV or die "$ARGV[0]: $!\n";
}

1;
