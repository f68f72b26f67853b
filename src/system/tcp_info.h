// What the kernel knows of one of our own TCP connections. It still knows after
// a reset.

#ifndef UPSTREAM_502_SYSTEM_TCP_INFO_H_
#define UPSTREAM_502_SYSTEM_TCP_INFO_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// -1 for what a kernel does not tell.
struct TcpFacts {
  int32_t state = -1;            // TCP_ESTABLISHED, …
  int32_t retransmits = -1;      // of what is unacknowledged now
  int32_t backoff = -1;          // how often the time between them doubled
  int32_t probes = -1;           // unanswered, into a closed window
  int32_t unacknowledged = -1;   // segments
  int32_t retransmissions = -1;  // over the connection's life
  // ms since that happened:
  int32_t last_data_sent = -1;
  int32_t last_data_received = -1;
  int32_t last_ack_received = -1;
  int32_t rtt_us = -1;
};

// `bytes` is what getsockopt(TCP_INFO) returned: less than this program's
// struct from an older kernel, more from a newer one.
TcpFacts ParseTcpInfo(absl::string_view bytes);

// False for what is no TCP socket.
bool ReadTcpFacts(int fd, TcpFacts* facts);

// Bytes that were sent and not acknowledged, or not sent yet (SIOCOUTQ). -1:
// cannot be told.
int32_t UnacknowledgedBytes(int fd);

// For how long, in ms, a connection was idle before the request that failed.
// `sent`: some of the request went out. -1: cannot be told.
int32_t IdleBefore(const TcpFacts& facts, bool sent);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_TCP_INFO_H_
