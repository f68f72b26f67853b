// Laying the store's memory out, finding it again, setting it back to zero.

#include "upstream_502/store/arena.h"

#include <algorithm>
#include <new>

#include "upstream_502/store/check.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint32_t kMinimumUpstreams = 4;
constexpr uint32_t kPeersPerUpstream = 3;

uint32_t IndexSlots(uint32_t rows) {
  uint32_t slots = 8;
  while (slots < rows * 4) {
    slots *= 2;
  }
  return slots;
}

constexpr size_t RoundUp(size_t bytes) {
  return (bytes + kCacheLine - 1) & ~(kCacheLine - 1);
}

Capacity CapacityFor(uint32_t upstreams, const Rings& rings) {
  const uint32_t peers = upstreams * kPeersPerUpstream;
  return {upstreams,         peers,        IndexSlots(upstreams),
          IndexSlots(peers), rings.events, rings.incidents};
}

struct Offsets {
  size_t upstream_index, peer_index, upstreams, peers, events, rare, incidents,
      end;
};

Offsets Place(const Capacity& capacity) {
  const auto all_peers = size_t{capacity.peers} + capacity.upstreams;
  Offsets at;
  at.upstream_index = RoundUp(sizeof(Header));
  at.peer_index =
      RoundUp(at.upstream_index + capacity.upstream_index * sizeof(Word));
  at.upstreams = RoundUp(at.peer_index + capacity.peer_index * sizeof(Word));
  at.peers = at.upstreams + capacity.upstreams * sizeof(UpstreamRow);
  at.events = at.peers + all_peers * sizeof(PeerRow);
  at.rare = at.events + capacity.events * sizeof(EventSlot);
  at.incidents = at.rare + kMaxCauses * kRareEvents * sizeof(EventSlot);
  at.end = at.incidents + capacity.incidents * sizeof(IncidentSlot);
  return at;
}

size_t SizeFor(uint32_t upstreams, const Rings& rings) {
  return Place(CapacityFor(upstreams, rings)).end;
}

// The most that `size` holds. Index sizes jump by powers of two, so it is
// searched, not computed.
Capacity LargestCapacity(size_t size, const Rings& rings) {
  uint32_t upstreams = kMinimumUpstreams;
  for (uint32_t step = 1u << 20; step > 0; step /= 2) {
    if (SizeFor(upstreams + step, rings) <= size) {
      upstreams += step;
    }
  }
  return CapacityFor(upstreams, rings);
}

template <typename T>
T* At(Header* header, size_t offset) {
  return reinterpret_cast<T*>(reinterpret_cast<char*>(header) + offset);
}

template <typename T>
void Construct(T* first, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    new (first + i) T{};
  }
}

}  // namespace

void FillUpstream(UpstreamRow* upstream, uint32_t hash, absl::string_view name,
                  Protocol protocol, UpstreamKind kind) {
  // Retired for who remembers it as another's, in no round for who looks for
  // what went: it holds anything yet.
  upstream->retired.store(0, kRelaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  new (upstream) UpstreamRow;
  upstream->hash.store(hash, kRelaxed);
  upstream->name_length = static_cast<uint32_t>(name.size());
  name.copy(upstream->name, name.size());
  upstream->protocol.store(static_cast<uint8_t>(protocol), kRelaxed);
  upstream->kind.store(static_cast<uint8_t>(kind), kRelaxed);
  upstream->state.store(0, std::memory_order_release);
}

void FillPeer(PeerRow* peer, uint32_t hash, uint32_t upstream,
              absl::string_view addr) {
  new (peer) PeerRow;  // retired until it is filled
  peer->hash.store(hash, kRelaxed);
  peer->addr_length = static_cast<uint16_t>(addr.size());
  addr.copy(peer->addr, addr.size());
  peer->upstream.store(upstream, std::memory_order_release);
}

Arena::Arena(Header* memory) : header(memory), capacity(memory->capacity) {
  const Offsets at = Place(capacity);
  upstream_index = At<Word>(header, at.upstream_index);
  peer_index = At<Word>(header, at.peer_index);
  upstreams = At<UpstreamRow>(header, at.upstreams);
  peers = At<PeerRow>(header, at.peers);
  events = At<EventSlot>(header, at.events);
  rare = At<EventSlot>(header, at.rare);
  incidents = At<IncidentSlot>(header, at.incidents);
}

size_t Arena::MinimumSize(const Rings& rings) {
  return SizeFor(kMinimumUpstreams, rings);
}

Arena Arena::Create(void* memory, size_t size, const Rings& rings,
                    int64_t now_ms) {
  auto* header = new (memory) Header;  // without magic until all is laid out
  header->layout = kLayout;
  header->size = size;
  header->capacity = LargestCapacity(size, rings);
  header->start_time.store(now_ms, kRelaxed);

  Arena arena(header);
  Construct(arena.upstream_index, header->capacity.upstream_index);
  Construct(arena.peer_index, header->capacity.peer_index);
  Construct(arena.events, rings.events);
  Construct(arena.rare, kMaxCauses * kRareEvents);
  Construct(arena.incidents, rings.incidents);
  for (uint32_t row : {kOtherUpstream, kNoUpstream}) {
    FillUpstream(arena.upstreams + row, 0, FixedName(row), Protocol::kUnknown);
    FillPeer(arena.peers + arena.OtherPeer(row), 0, row, kOtherName);
  }
  header->upstreams.store(kNoUpstream + 1, kRelaxed);
  header->magic.store(kMagic, std::memory_order_release);
  return arena;
}

absl::optional<Arena> Arena::Attach(void* memory, size_t size,
                                    const Rings& rings) {
  auto* header = static_cast<Header*>(memory);
  if (size < MinimumSize(rings) ||
      header->magic.load(std::memory_order_acquire) != kMagic ||
      header->layout != kLayout || header->size != size ||
      header->capacity != LargestCapacity(size, rings)) {
    return absl::nullopt;
  }
  Arena arena(header);
  if (!IsSound(arena)) {
    return absl::nullopt;
  }
  return arena;
}

RowBytes Arena::BytesPerRow() const {
  const auto slots = [](uint32_t index, uint32_t rows) {
    return (index * sizeof(Word) + rows - 1) / rows;
  };
  return {
      .fixed = sizeof(Header) + kMaxCauses * kRareEvents * sizeof(EventSlot),
      .upstream = sizeof(UpstreamRow) + sizeof(PeerRow) +
                  slots(capacity.upstream_index, capacity.upstreams),
      .peer = sizeof(PeerRow) + slots(capacity.peer_index, capacity.peers),
      .event = sizeof(EventSlot),
      .incident = sizeof(IncidentSlot),
  };
}

namespace {

template <typename T>
void Clear(std::atomic<T>* counter) {
  counter->store(0, kRelaxed);
}

void Clear(Shard* shard) {
  Clear(&shard->requests);
  Clear(&shard->attempts);
  Clear(&shard->last_success);
  for (Counter& status : shard->grpc_statuses) {
    Clear(&status);
  }
}

void Clear(EarlyFailure* early) { Clear(&early->credit); }

template <typename T, size_t N>
void Clear(T (*array)[N]) {
  for (T& element : *array) {
    Clear(&element);
  }
}

// After the counters, and what runs in the end: a minute that somebody opens
// meanwhile begins with the old totals, and must not stay.
template <size_t kSpans, size_t kKinds>
void Forget(Time* running, SpanTotals<kSpans, kKinds>* ring) {
  Clear(&ring->at);
  Clear(running);
}

void Clear(UpstreamRow* row) {
  Clear(&row->shards);
  Clear(&row->rescued);
  Clear(&row->responses);
  Clear(&row->causes);
  Clear(&row->errno_classes);
  Clear(&row->findings);
  Clear(&row->time_buckets);
  Clear(&row->time_sum);
  Forget(&row->minute, &row->minutes);
  Forget(&row->hour, &row->hours);
  Forget(&row->recent, &row->recents);
  Clear(&row->incidents);
  Clear(&row->spell);
  Clear(&row->early);
}

void Clear(PeerRow* row) {
  Clear(&row->shards);
  Clear(&row->causes);
  Clear(&row->errno_classes);
  Clear(&row->first_failure);
  Clear(&row->last_failure);
  Clear(&row->idle_ends);
  Forget(&row->minute, &row->minutes);
}

}  // namespace

void Arena::Reset(int64_t now_ms) {
  const auto reset_upstream = [this](uint32_t row) {
    Clear(upstreams + row);
    Clear(peers + OtherPeer(row));
  };
  reset_upstream(kOtherUpstream);
  reset_upstream(kNoUpstream);
  for (uint32_t i = 0; i < capacity.upstream_index; ++i) {
    if (const uint32_t row = IndexedUpstream(i); row != kNoPeer) {
      reset_upstream(row);
    }
  }
  for (uint32_t row = 0; row < header->upstreams.load(kRelaxed); ++row) {
    if (IsRetired(upstreams[row])) {
      reset_upstream(row);
    }
  }
  for (uint32_t i = 0; i < capacity.peer_index; ++i) {
    if (const uint32_t row = IndexedPeer(i); row != kNoPeer) {
      Clear(peers + row);
    }
  }
  for (uint32_t row = 0; row < header->peers.load(kRelaxed); ++row) {
    if (peers[row].retired.load(kRelaxed) != 0) {
      Clear(peers + row);
    }
  }

  Clear(&header->causes);
  Clear(&header->time_buckets);
  Clear(&header->time_sums);
  Clear(&header->overflow);
  Clear(&header->evicted);
  Clear(&header->overflow_told);
  Forget(&header->minute, &header->minutes);
  Forget(&header->hour, &header->hours);
  header->events_floor.store(header->events.load(kRelaxed), kRelaxed);
  header->incidents_floor.store(header->incidents.load(kRelaxed), kRelaxed);
  header->start_time.store(now_ms, kRelaxed);
}

}  // namespace upstream_502
