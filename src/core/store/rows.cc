// Rows found or added without a lock.

#include "index.h"
#include "upstream_502/store/store.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// The next unused row, or kNoRow. Whoever takes a row that was given back
// must see it abandoned: hence acquire and release.
uint32_t TakeRow(Word* used, uint32_t capacity) {
  uint32_t row = used->load(kRelaxed);
  while (row < capacity) {
    if (used->compare_exchange_weak(row, row + 1, std::memory_order_acq_rel,
                                    kRelaxed)) {
      return row;
    }
  }
  return kNoRow;
}

// False where later rows were handed out meanwhile.
bool GiveBackRow(Word* used, uint32_t row) {
  uint32_t next = row + 1;
  return used->compare_exchange_strong(next, row, std::memory_order_acq_rel,
                                       kRelaxed);
}

bool Matches(const UpstreamRow& row, uint32_t hash, absl::string_view name) {
  return row.hash.load(kRelaxed) == hash && row.name_length == name.size() &&
         !IsRetired(row) && SameText(row.name, name.data(), name.size());
}

bool Matches(const PeerRow& row, uint32_t hash, uint32_t upstream,
             absl::string_view addr) {
  return row.hash.load(kRelaxed) == hash &&
         row.upstream.load(std::memory_order_acquire) == upstream &&
         row.addr_length == addr.size() &&
         SameText(row.addr, addr.data(), addr.size());
}

}  // namespace

uint32_t Store::FindUpstream(absl::string_view name, int64_t now_ms) {
  name = CutUtf8(name, kUpstreamNameMax);
  const uint32_t hash = HashText(0, name.data(), name.size());
  Word* place;
  uint32_t held;
  const uint32_t row = Search(
      UpstreamIndex(arena_), hash,
      [&](uint32_t other) {
        return Matches(arena_.upstreams[other], hash, name);
      },
      &place, &held);
  if (row == kNoRow) {
    return kOtherUpstream;
  }
  Claim(row, now_ms);
  return IsRetired(arena_.upstreams[row]) ? kOtherUpstream : row;
}

uint32_t Store::FindOrAddUpstream(absl::string_view name, Protocol protocol,
                                  UpstreamKind kind, int64_t now_ms) {
  name = CutUtf8(name, kUpstreamNameMax);
  const uint32_t hash = HashText(0, name.data(), name.size());
  for (int tries = 0; tries < kAddTries; ++tries) {
    const uint32_t row = FindOrAdd(
        UpstreamIndex(arena_), hash,
        [&](uint32_t other) {
          return Matches(arena_.upstreams[other], hash, name);
        },
        [&] { return MakeUpstream(hash, name, protocol, kind, now_ms); },
        [&](uint32_t made) { GiveBackUpstream(made, kind); });
    if (row == kNoRow) {
      break;
    }
    if (kind == UpstreamKind::kConfigured) {
      Claim(row, now_ms);
    }
    // Who takes it out of use from here on sees whose it is.
    if (!IsRetired(arena_.upstreams[row])) {
      return row;
    }
  }
  Add(&arena_.header->overflow);
  return kOtherUpstream;
}

uint32_t Store::MakeUpstream(uint32_t hash, absl::string_view name,
                             Protocol protocol, UpstreamKind kind,
                             int64_t now_ms) {
  Header& header = *arena_.header;
  const bool chosen = kind == UpstreamKind::kResolved;
  MakeUpstreamRoom(chosen, now_ms);
  if (chosen && TakeRow(&header.resolved,
                        arena_.capacity.upstreams / kChosenShare) == kNoRow) {
    return kNoRow;
  }
  uint32_t row = TakeRow(&header.upstreams, arena_.capacity.upstreams);
  if (row == kNoRow) {
    row = ReuseUpstream(now_ms);
  }
  if (row != kNoRow) {
    FillUpstream(arena_.upstreams + row, hash, name, protocol, kind);
    arena_.upstreams[row].named.store(now_ms, kRelaxed);
    FillPeer(arena_.peers + arena_.OtherPeer(row), 0, row, kOtherName);
  } else if (chosen) {
    header.resolved.fetch_sub(1, kRelaxed);
  }
  return row;
}

void Store::GiveBackUpstream(uint32_t row, UpstreamKind kind) {
  UpstreamRow& upstream = arena_.upstreams[row];
  upstream.state.store(kRetired);
  if (!GiveBackRow(&arena_.header->upstreams, row)) {
    upstream.retired.store(1);  // nobody has found it
  }
  if (kind == UpstreamKind::kResolved) {
    arena_.header->resolved.fetch_sub(1, kRelaxed);
  }
}

// It stands in the configuration: also what a client may have chosen before.
void Store::Claim(uint32_t upstream, int64_t now_ms) {
  UpstreamRow& row = arena_.upstreams[upstream];
  const auto configured = static_cast<uint8_t>(UpstreamKind::kConfigured);
  const uint8_t was = row.kind.exchange(configured, kRelaxed);
  if (was == static_cast<uint8_t>(UpstreamKind::kResolved)) {
    arena_.header->resolved.fetch_sub(1, kRelaxed);
  }
  if (now_ms != 0) {
    row.named.store(now_ms, kRelaxed);
  }
  // Not an older one than another process has said.
  const uint64_t generation = arena_.header->generation.load();
  uint64_t known = row.generation.load();
  while (known < generation &&
         !row.generation.compare_exchange_weak(known, generation)) {
  }
}

uint32_t Store::MakePeer(uint32_t hash, uint32_t upstream,
                         absl::string_view addr, int64_t now_ms) {
  Header& header = *arena_.header;
  const bool chosen = IsChosen(upstream);
  MakeRoom(chosen, now_ms);
  if (chosen && TakeRow(&header.chosen_peers,
                        arena_.capacity.peers / kChosenShare) == kNoRow) {
    return kNoRow;
  }
  uint32_t row = TakeRow(&header.peers, arena_.capacity.peers);
  if (row == kNoRow) {
    row = ReuseRow(now_ms);
  }
  if (row != kNoRow) {
    FillPeer(arena_.peers + row, hash, upstream, addr);
  } else if (chosen) {
    header.chosen_peers.fetch_sub(1, kRelaxed);
  }
  return row;
}

void Store::GiveBackPeer(uint32_t row, uint32_t upstream) {
  PeerRow& peer = arena_.peers[row];
  peer.upstream.store(upstream | kRetired, kRelaxed);
  if (!GiveBackRow(&arena_.header->peers, row)) {
    peer.retired.store(1);  // nobody has found it
  }
  if (IsChosen(upstream)) {
    arena_.header->chosen_peers.fetch_sub(1, kRelaxed);
  }
}

uint32_t Store::FindOrAddPeer(uint32_t upstream, absl::string_view addr,
                              int64_t now_ms) {
  if (upstream == kOtherUpstream) {
    return arena_.OtherPeer(upstream);  // its overflow is counted already
  }
  addr = CutUtf8(addr, kPeerNameMax);
  const uint32_t hash = HashText(upstream, addr.data(), addr.size());
  const uint32_t row = FindOrAdd(
      PeerIndex(arena_), hash,
      [&](uint32_t other) {
        return Matches(arena_.peers[other], hash, upstream, addr);
      },
      [&] { return MakePeer(hash, upstream, addr, now_ms); },
      [&](uint32_t made) { GiveBackPeer(made, upstream); });
  if (row == kNoRow) {
    Add(&arena_.header->overflow);
    return arena_.OtherPeer(upstream);
  }
  // Who takes the upstream out of use from here on sees the peer.
  if (IsRetired(arena_.upstreams[upstream])) {
    RetireStray(row);
    return arena_.OtherPeer(upstream);
  }
  return row;
}

}  // namespace upstream_502
