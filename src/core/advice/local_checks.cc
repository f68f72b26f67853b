// The checks after a failure of this machine's own.

#include "upstream_502/advice/local_checks.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "upstream_502/advice/commands.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/advice/reading.h"

namespace upstream_502 {
namespace {

using Commands = std::vector<std::string>;

void AddNoIpv6(Commands* checks) {
  checks->insert(
      checks->end(),
      {"ip -6 addr || cat /proc/net/if_inet6  # nothing: no IPv6 address",
       "sysctl net.ipv6.conf.all.disable_ipv6  # 1: it is switched off",
       "resolver ADDRESS ipv6=off;  # where only IPv4 works"});
}

// The kernel has the same errno where there is no address to connect from.
void AddPorts(const Failure& failure, const FailureText& text,
              const PeerAddress& address, const Evidence* evidence,
              Commands* checks) {
  const std::vector<Finding> seen = FindingKinds(failure, text, evidence);
  const bool used =
      std::find(seen.begin(), seen.end(), Finding::kPortsUsed) != seen.end();
  const bool counted = evidence != nullptr && evidence->ports_used >= 0;
  const bool ipv6 = ReadingOf(failure, text) == Reading::kNoIpv6;
  if (ipv6 && !used) {
    AddNoIpv6(checks);
  }
  if (used || !counted) {
    if (const std::string connections = ConnectionsTo(address);
        !connections.empty()) {
      checks->push_back(connections);
    }
    checks->emplace_back("sysctl net.ipv4.ip_local_port_range");
  }
  if (!used && !ipv6) {
    checks->emplace_back("ip addr");
    checks->push_back(ConfigWith({"_bind "}));
  }
  if (used || (!counted && !ipv6)) {
    checks->emplace_back(
        "keepalive 32;  # in the upstream block: fewer new connections");
  }
}

Commands Exhausted(const Failure& failure, const FailureText& text,
                   const PeerAddress& address, const Evidence* evidence) {
  const bool connections =
      absl::StrContains(text.message, "worker_connections");
  const bool files = failure.errno_number == EMFILE;
  const bool all_files = failure.errno_number == ENFILE;
  const bool ports = failure.errno_number == EADDRNOTAVAIL;
  const bool any = !connections && !files && !all_files && !ports;
  Commands checks;
  if (connections || any) {
    checks.emplace_back(kWorkersSockets);
    checks.push_back(ConfigWith({"worker_connections"}));
  }
  if (files || any) {
    checks.emplace_back(
        "for p in $(pgrep -f 'nginx: worker'); do echo $p: $(ls /proc/$p/fd | "
        "wc -l) used; grep 'open files' /proc/$p/limits; done");
    checks.push_back(ConfigWith({"worker_rlimit_nofile"}));
  }
  if (all_files || any) {
    checks.emplace_back("sysctl fs.file-nr  # open, unused, at most");
  }
  if (ports || any) {
    AddPorts(failure, text, address, evidence, &checks);
  }
  return checks;
}

}  // namespace

std::vector<std::string> LocalChecks(const Failure& failure,
                                     const FailureText& text,
                                     const PeerAddress& address,
                                     const Evidence* evidence) {
  if (failure.cause == Cause::kLocalExhausted) {
    return Exhausted(failure, text, address, evidence);
  }
  Commands checks;
  if (ReadingOf(failure, text) == Reading::kNoIpv6) {
    AddNoIpv6(&checks);
  } else if (absl::StartsWith(text.message, "bind(")) {
    checks.push_back(ConfigWith({"_bind "}));
  }
  return checks;
}

}  // namespace upstream_502
