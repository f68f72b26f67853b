// TCP_INFO and SIOCOUTQ.

#include "system/tcp_info.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

namespace upstream_502 {
namespace {

constexpr int kLevelTcp = 6;  // IPPROTO_TCP; <netinet/in.h> clashes here

// A member, if the kernel's struct goes that far.
template <typename Member>
int32_t MemberAt(absl::string_view bytes, size_t offset) {
  Member value;
  if (offset + sizeof(value) > bytes.size()) {
    return -1;
  }
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return static_cast<int32_t>(
      std::min<uint32_t>(value, std::numeric_limits<int32_t>::max()));
}

int32_t ByteAt(absl::string_view bytes, size_t offset) {
  return MemberAt<uint8_t>(bytes, offset);
}

int32_t WordAt(absl::string_view bytes, size_t offset) {
  return MemberAt<uint32_t>(bytes, offset);
}

}  // namespace

TcpFacts ParseTcpInfo(absl::string_view bytes) {
  TcpFacts facts;
  facts.state = ByteAt(bytes, offsetof(tcp_info, tcpi_state));
  facts.retransmits = ByteAt(bytes, offsetof(tcp_info, tcpi_retransmits));
  facts.backoff = ByteAt(bytes, offsetof(tcp_info, tcpi_backoff));
  facts.probes = ByteAt(bytes, offsetof(tcp_info, tcpi_probes));
  facts.unacknowledged = WordAt(bytes, offsetof(tcp_info, tcpi_unacked));
  facts.retransmissions = WordAt(bytes, offsetof(tcp_info, tcpi_total_retrans));
  facts.last_data_sent = WordAt(bytes, offsetof(tcp_info, tcpi_last_data_sent));
  facts.last_data_received =
      WordAt(bytes, offsetof(tcp_info, tcpi_last_data_recv));
  facts.last_ack_received =
      WordAt(bytes, offsetof(tcp_info, tcpi_last_ack_recv));
  facts.rtt_us = WordAt(bytes, offsetof(tcp_info, tcpi_rtt));
  return facts;
}

bool ReadTcpFacts(int fd, TcpFacts* facts) {
  char info[sizeof(tcp_info)];
  socklen_t size = sizeof(info);
  if (fd == -1 || getsockopt(fd, kLevelTcp, TCP_INFO, info, &size) != 0) {
    return false;
  }
  *facts = ParseTcpInfo({info, std::min<size_t>(size, sizeof(info))});
  return true;
}

int32_t UnacknowledgedBytes(int fd) {
  int bytes = 0;
  if (fd == -1 || ioctl(fd, SIOCOUTQ, &bytes) != 0) {
    return -1;
  }
  return bytes;
}

// After the last data came it was idle until something was sent; where nothing
// was, because the write failed, until now.
int32_t IdleBefore(const TcpFacts& facts, bool sent) {
  if (facts.last_data_sent < 0 || facts.last_data_received < 0) {
    return -1;
  }
  if (facts.last_data_received > facts.last_data_sent) {
    return facts.last_data_received - facts.last_data_sent;
  }
  return sent ? 0 : facts.last_data_received;
}

}  // namespace upstream_502
