// Answers of the kernel about sockets: cut, repeated, of another request, with
// lengths that cannot be.
//
// The input is a byte whose lowest bit says whether a dump was asked for, and a
// datagram.

#include "system/netlink.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "absl/strings/string_view.h"
#include "input.h"
#include "system/address.h"
#include "system/inet_diag.h"
#include "system/tcp_info.h"
#include "system/unix_diag.h"

namespace upstream_502 {
namespace {

constexpr uint32_t kSequence = 7;

void Read(absl::string_view payload) {
  InetSocket tcp;
  if (ParseInetSocket(payload, &tcp)) {
    std::array<char, Address::kTextRoom> room;
    FormatHost(tcp.local, &room);
    FormatHost(tcp.remote, &room);
    tcp.Serves(tcp.remote);
    tcp.remote.IsLoopback();
  }
  UnixSocket local;
  if (ParseUnixSocket(payload, &local)) {
    REQUIRE(local.name.empty() || (local.name.data() >= payload.data() &&
                                   local.name.data() + local.name.size() <=
                                       payload.data() + payload.size()));
  }
  const TcpFacts facts = ParseTcpInfo(payload);
  REQUIRE(IdleBefore(facts, true) >= -1 && IdleBefore(facts, false) >= -1);
  REQUIRE(facts.rtt_us >= -1 && facts.retransmissions >= -1);
  alignas(sockaddr_storage) char name[sizeof(sockaddr_storage)] = {};
  std::memcpy(name, payload.data(), std::min(payload.size(), sizeof(name)));
  AddressOf(reinterpret_cast<const sockaddr*>(name),
            std::min(payload.size(), sizeof(name)));
  Address address;
  if (ParseAddress(payload, &address)) {
    REQUIRE(address.family != AddressFamily::kNone);
  }
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const bool dump = input.Flag();
  const absl::string_view bytes = input.Rest();
  int seen = 0;
  const Answer answer =
      ReadAnswer(kSequence, dump, bytes, [&seen](absl::string_view payload) {
        Read(payload);
        return ++seen < 100;
      });
  REQUIRE(dump || seen <= 1);
  REQUIRE(answer != Answer::kComplete || dump || seen == 1);
  Read(bytes);
  return 0;
}
