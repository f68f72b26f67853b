# Network and mount namespaces of a test's own, where nothing listens but what
# it started, and a firewall that is nobody else's.

package Upstream502::Namespace;

use v5.36;

use Exporter qw(import);
use Test::More;

our @EXPORT = qw(enter_namespace quietly firewall);

# Begins the script again, inside. Skips all of it without permission.
sub enter_namespace () {
    if ( !$ENV{TEST_IN_NAMESPACE} ) {
        plan skip_all => 'no permission to make a network namespace'
          if system('unshare -nm ip link set lo up 2>/dev/null') != 0;
        $ENV{TEST_IN_NAMESPACE} = 1;
        exec 'unshare', '-nm', $^X, $0 or die "unshare: $!\n";
    }
    quietly('ip link set lo up') or BAIL_OUT('cannot set lo up');
}

# Whether the command went well.
sub quietly ($command) {
    return system("$command >/dev/null 2>&1") == 0;
}

# Adds a rule; false where there is no iptables, or no module for it.
sub firewall ( $rule, $iptables = 'iptables' ) {
    return quietly("$iptables -A $rule");
}

1;
