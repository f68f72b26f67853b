// What the store's two halves share: how a row begins its life.

#ifndef UPSTREAM_502_SRC_CORE_ROWS_H_
#define UPSTREAM_502_SRC_CORE_ROWS_H_

#include <new>

#include "absl/strings/string_view.h"
#include "upstream_502/layout.h"

namespace upstream_502 {

inline constexpr absl::string_view kOtherName = "(other)";

// `name` is no longer than kUpstreamNameMax.
inline void FillUpstream(UpstreamRow* upstream, uint32_t hash,
                         absl::string_view name, Protocol protocol) {
  new (upstream) UpstreamRow;
  upstream->hash = hash;
  upstream->name_length = static_cast<uint32_t>(name.size());
  name.copy(upstream->name, name.size());
  upstream->protocol.store(static_cast<uint8_t>(protocol),
                           std::memory_order_relaxed);
}

// `addr` is no longer than kPeerNameMax.
inline void FillPeer(PeerRow* peer, uint32_t hash, uint32_t upstream,
                     absl::string_view addr) {
  new (peer) PeerRow;
  peer->hash = hash;
  peer->upstream = upstream;
  peer->addr_length = static_cast<uint32_t>(addr.size());
  addr.copy(peer->addr, addr.size());
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_CORE_ROWS_H_
