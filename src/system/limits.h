// How much of what this machine has is used: descriptors, ports.

#ifndef UPSTREAM_502_SYSTEM_LIMITS_H_
#define UPSTREAM_502_SYSTEM_LIMITS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// -1: cannot be told.
struct Usage {
  int32_t used = -1;
  int32_t max = -1;
};

// Descriptors of this process, and its limit (RLIMIT_NOFILE).
Usage ProcessFiles();

// Open files of the whole machine (ENFILE).
Usage MachineFiles();
Usage ParseFileNr(absl::string_view file_nr);

// How many ports a connection of ours may have (ip_local_port_range). -1:
// cannot be told.
int32_t LocalPorts();
int32_t ParsePortRange(absl::string_view range);

// TCP sockets of this network namespace, those in TIME_WAIT too. -1: cannot be
// told.
int32_t TcpSockets();
// From the text of /proc/net/sockstat or sockstat6; `protocol` is "TCP:".
int32_t ParseSockstat(absl::string_view sockstat, absl::string_view protocol);

// In how many places the kernel looks when it goes through all connections. -1:
// cannot be told.
int32_t ConnectionTableSize();

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_LIMITS_H_
