// The memory of the store: laid out once, found again by every later process.
// A plain view of it, cheap to copy.

#ifndef UPSTREAM_502_STORE_ARENA_H_
#define UPSTREAM_502_STORE_ARENA_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "upstream_502/store/kind.h"
#include "upstream_502/store/layout.h"

namespace upstream_502 {

inline constexpr uint32_t kOtherUpstream = 0;
inline constexpr uint32_t kNoUpstream = 1;
inline constexpr uint32_t kNoPeer = UINT32_MAX;

inline constexpr absl::string_view kOtherName = "(other)";
// Responses that no upstream was asked for are counted under this name.
inline constexpr absl::string_view kNoneName = "(none)";

// Bytes of the memory that each row takes, its places in the index and an
// upstream's "(other)" peer included; `fixed` does not depend on the size.
struct RowBytes {
  size_t fixed = 0;
  size_t upstream = 0;
  size_t peer = 0;
  size_t event = 0;
  size_t incident = 0;
};

// How many the rings hold, each at least 1.
struct Rings {
  uint32_t events = 0;
  uint32_t incidents = 128;
};

struct Arena {
  Header* header = nullptr;
  Capacity capacity{};
  Word* upstream_index = nullptr;
  Word* peer_index = nullptr;
  UpstreamRow* upstreams = nullptr;
  PeerRow* peers = nullptr;
  EventSlot* events = nullptr;
  EventSlot* rare = nullptr;
  IncidentSlot* incidents = nullptr;

  Arena() = default;

  // The smallest `size` that Create accepts for such rings.
  static size_t MinimumSize(const Rings& rings);

  // Lays `memory` out (aligned to a page; its old content does not matter).
  // `size` must be MinimumSize at least. Only before the memory is shared.
  static Arena Create(void* memory, size_t size, const Rings& rings,
                      int64_t now_ms);

  // What an earlier process laid out in `memory`; nothing unless it has this
  // very layout, size and rings, and every index and length in it is within
  // bounds. Other processes may be at work in it.
  static absl::optional<Arena> Attach(void* memory, size_t size,
                                      const Rings& rings);

  // Sets all counters to zero and forgets events and incidents; ids go on.
  void Reset(int64_t now_ms);

  RowBytes BytesPerRow() const;

  // The row that slot `i` of an index names, or kNoPeer (an empty slot). Rows
  // are whole once their index names them.
  uint32_t IndexedUpstream(uint32_t i) const {
    const uint32_t named = upstream_index[i].load(std::memory_order_acquire);
    return named == kGone ? kNoPeer : named - 1;
  }
  uint32_t IndexedPeer(uint32_t i) const {
    const uint32_t named = peer_index[i].load(std::memory_order_acquire);
    return named == kGone ? kNoPeer : named - 1;
  }
  // The row of the "(other)" peer of an upstream.
  uint32_t OtherPeer(uint32_t upstream) const {
    return capacity.peers + upstream;
  }

 private:
  explicit Arena(Header* memory);
};

// Of the two rows that are always there.
inline absl::string_view FixedName(uint32_t upstream) {
  return upstream == kOtherUpstream ? kOtherName : kNoneName;
}

// How rows begin their lives. Names are no longer than their rows have room
// for.
void FillUpstream(UpstreamRow* upstream, uint32_t hash, absl::string_view name,
                  Protocol protocol,
                  UpstreamKind kind = UpstreamKind::kConfigured);
void FillPeer(PeerRow* peer, uint32_t hash, uint32_t upstream,
              absl::string_view addr);

inline bool IsRetired(const PeerRow& row) {
  return (row.upstream.load(std::memory_order_acquire) & kRetired) != 0;
}
// Rows in the making hold anything yet.
inline bool IsRetired(const UpstreamRow& row) {
  return row.state.load() == kRetired;
}
// The upstream that it counts for, retired or not.
inline uint32_t HomeOf(const PeerRow& row) {
  return row.upstream.load(std::memory_order_acquire) & ~kRetired;
}

// Where the search for `hash` begins in an index; `slots` is a power of two.
inline uint32_t FirstSlot(uint32_t hash, uint32_t slots) {
  return static_cast<uint32_t>(uint64_t{hash} * slots >> 32);
}

// What another process may have left there, within bounds.
inline UpstreamKind KindOf(const UpstreamRow& row) {
  const uint8_t kind = row.kind.load(std::memory_order_relaxed);
  return kind < kUpstreamKindCount ? static_cast<UpstreamKind>(kind)
                                   : UpstreamKind::kConfigured;
}
inline absl::string_view NameOf(const UpstreamRow& row) {
  return {row.name, std::min<size_t>(row.name_length, kUpstreamNameMax)};
}
inline absl::string_view NameOf(const PeerRow& row) {
  return {row.addr, std::min<size_t>(row.addr_length, kPeerNameMax)};
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_ARENA_H_
