// Probing real sockets in tests.

#ifndef UPSTREAM_502_T_UNIT_SYSTEM_PROBING_H_
#define UPSTREAM_502_T_UNIT_SYSTEM_PROBING_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "sockets.h"
#include "system/probe.h"

namespace upstream_502 {

inline constexpr int64_t kNow = 1000000;

inline Evidence ProbeOf(ProbeRequest request) {
  static Prober* prober = new Prober;
  if (request.now_ms == 0) {
    request.now_ms = kNow;
  }
  Evidence evidence;
  prober->Probe(request, &evidence);
  return evidence;
}

// A listener and a connection to it.
struct Pair {
  explicit Pair(const std::string& host = "127.0.0.1", int backlog = 16)
      : listener(ListenAt(At(host, 0), backlog)),
        peer(At(host, PortOf(listener))),
        client(Connect(peer)) {
    EXPECT_TRUE(Within([this] { return IsConnected(); }));
  }
  bool IsConnected() const {
    return RemoteEnd(client.get()).family != AddressFamily::kNone;
  }
  // The service's end has all of `size` bytes.
  bool Arrives(const Fd& server, size_t size) const {
    return Within([&] { return HasReceived(server, size); });
  }

  Fd listener;
  std::string peer;
  Fd client;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_SYSTEM_PROBING_H_
