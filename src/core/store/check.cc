// Looks at every number in the memory that leads somewhere.

#include "upstream_502/store/check.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "upstream_502/store/slot.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Ids are handed out one by one: none comes near.
constexpr uint64_t kIdMax = uint64_t{1} << 60;
// More than are handed out in the minute that a crash loses.
constexpr uint64_t kEventsAhead = 10000000;
constexpr uint64_t kIncidentsAhead = 1000;

bool IsTime(const Time& time) {
  return upstream_502::IsTime(time.load(kRelaxed));
}

bool IsSound(const UpstreamRow& row) {
  return row.name_length <= kUpstreamNameMax && IsTime(row.minute) &&
         IsTime(row.recent) && IsTime(row.hour) && IsTime(row.named) &&
         row.generation.load(kRelaxed) < kIdMax &&
         std::all_of(
             std::begin(row.early), std::end(row.early),
             [](const EarlyFailure& early) { return IsTime(early.time); });
}

bool IsSound(const PeerRow& row, const Capacity& capacity) {
  return HomeOf(row) < capacity.upstreams && row.addr_length <= kPeerNameMax &&
         IsTime(row.minute) && IsTime(row.first_failure) &&
         IsTime(row.last_failure) &&
         std::all_of(
             std::begin(row.shards), std::end(row.shards),
             [](const Shard& shard) { return IsTime(shard.last_success); });
}

bool IsSound(const IncidentSlot& slot) {
  return IsTime(slot.start) && IsTime(slot.end) &&
         slot.id.load(kRelaxed) < kIdMax;
}

bool IsSound(const Header& header) {
  const Capacity& capacity = header.capacity;
  for (const Time* time :
       {&header.start_time, &header.load_time, &header.overflow_warned,
        &header.minute, &header.hour, &header.inactive, &header.sweep_after,
        &header.barren_until, &header.upstreams_after,
        &header.no_upstream_until, &header.writers_after}) {
    if (!IsTime(*time)) {
      return false;
    }
  }
  const uint32_t upstreams = header.upstreams.load(kRelaxed);
  return upstreams > kNoUpstream && upstreams <= capacity.upstreams &&
         header.peers.load(kRelaxed) <= capacity.peers &&
         header.generation.load(kRelaxed) < kIdMax &&
         header.events.load(kRelaxed) < kIdMax &&
         header.events_floor.load(kRelaxed) < kIdMax &&
         header.events_skipped.load(kRelaxed) <= header.events.load(kRelaxed) &&
         header.events_resumed.load(kRelaxed) <= header.events.load(kRelaxed) &&
         header.incidents.load(kRelaxed) < kIdMax &&
         header.incidents_floor.load(kRelaxed) < kIdMax;
}

// What an upstream's row and that of its "(other)" peer say.
bool IsUpstreamSound(const Arena& arena, uint32_t row) {
  const PeerRow& other = arena.peers[arena.OtherPeer(row)];
  return IsSound(arena.upstreams[row]) && IsSound(other, arena.capacity);
}

// The rows that an index names, each once.
std::vector<uint32_t> RowsOf(const Word* index, uint32_t size, uint32_t rows) {
  std::vector<bool> known(rows);
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < size; ++i) {
    const uint32_t row = index[i].load(kRelaxed) - 1;
    if (row < rows && !known[row]) {
      known[row] = true;
      found.push_back(row);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void Clear(Word* index, uint32_t size) {
  for (uint32_t i = 0; i < size; ++i) {
    index[i].store(0, kRelaxed);
  }
}

void Put(Word* index, uint32_t size, uint32_t hash, uint32_t row) {
  uint32_t at = FirstSlot(hash, size);
  while (index[at].load(kRelaxed) != 0) {
    at = (at + 1) & (size - 1);
  }
  index[at].store(row + 1, kRelaxed);
}

// What no index names below `used`: what it counted is that of "(other)". Where
// it says nothing that can be, it is nobody's.
void RetireOtherUpstreams(Arena* arena, const std::vector<uint32_t>& rows,
                          uint32_t used) {
  for (uint32_t row = kNoUpstream + 1; row < used; ++row) {
    if (std::binary_search(rows.begin(), rows.end(), row)) {
      continue;
    }
    UpstreamRow& upstream = arena->upstreams[row];
    PeerRow& other = arena->peers[arena->OtherPeer(row)];
    if (!IsUpstreamSound(*arena, row)) {
      FillUpstream(&upstream, 0, {}, Protocol::kUnknown);
      FillPeer(&other, 0, row, kOtherName);
    }
    other.upstream.store(row, kRelaxed);
    upstream.kind.store(0, kRelaxed);
    upstream.generation.store(0, kRelaxed);
    upstream.state.store(kRetired, kRelaxed);
    upstream.retired.store(1, kRelaxed);
  }
}

// Drops what has the name of another one: `name` tells it.
template <typename Name>
void KeepOneOfEach(std::vector<uint32_t>* rows, const Name& name) {
  const auto before = [&name](uint32_t a, uint32_t b) {
    return std::make_pair(name(a), a) < std::make_pair(name(b), b);
  };
  std::sort(rows->begin(), rows->end(), before);
  const auto end = std::unique(
      rows->begin(), rows->end(),
      [&name](uint32_t a, uint32_t b) { return name(a) == name(b); });
  rows->erase(end, rows->end());
}

uint32_t Highest(const std::vector<uint32_t>& rows, uint32_t least) {
  return rows.empty()
             ? least
             : std::max(least, *std::max_element(rows.begin(), rows.end()) + 1);
}

// Those that are always there, as if nothing had been said of them.
void MendFixed(Arena* arena) {
  for (const uint32_t row : {kOtherUpstream, kNoUpstream}) {
    UpstreamRow& upstream = arena->upstreams[row];
    const absl::string_view name = FixedName(row);
    name.copy(upstream.name, name.size());
    upstream.name_length = static_cast<uint32_t>(name.size());
    upstream.hash.store(0, kRelaxed);
    upstream.kind.store(0, kRelaxed);
    upstream.generation.store(0, kRelaxed);
    upstream.retired.store(0, kRelaxed);
    upstream.state.store(0, kRelaxed);
    arena->peers[arena->OtherPeer(row)].upstream.store(row, kRelaxed);
  }
}

void MendUpstreams(Arena* arena) {
  const Capacity& capacity = arena->capacity;
  std::vector<uint32_t> rows = RowsOf(
      arena->upstream_index, capacity.upstream_index, capacity.upstreams);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [arena](uint32_t row) {
                              return row <= kNoUpstream ||
                                     IsRetired(arena->upstreams[row]);
                            }),
             rows.end());
  KeepOneOfEach(
      &rows, [arena](uint32_t row) { return NameOf(arena->upstreams[row]); });
  Clear(arena->upstream_index, capacity.upstream_index);
  uint32_t resolved = 0;
  for (const uint32_t row : rows) {
    UpstreamRow& upstream = arena->upstreams[row];
    const absl::string_view name = NameOf(upstream);
    const uint32_t hash = HashText(0, name.data(), name.size());
    upstream.hash.store(hash, kRelaxed);
    PeerRow& other = arena->peers[arena->OtherPeer(row)];
    other.upstream.store(row, kRelaxed);
    upstream.state.store(0, kRelaxed);
    upstream.retired.store(0, kRelaxed);
    upstream.generation.store(0, kRelaxed);  // no configuration is in use yet
    resolved += KindOf(upstream) == UpstreamKind::kResolved ? 1U : 0U;
    Put(arena->upstream_index, capacity.upstream_index, hash, row);
  }
  std::sort(rows.begin(), rows.end());
  const uint32_t used =
      std::max(arena->header->upstreams.load(kRelaxed), Highest(rows, 0));
  RetireOtherUpstreams(arena, rows, used);
  arena->header->upstreams.store(used, kRelaxed);
  arena->header->resolved.store(resolved, kRelaxed);
}

// What no index names below `used`: it counts for "(other)" of its upstream, or
// for nobody.
void RetireOthers(Arena* arena, const std::vector<uint32_t>& rows,
                  uint32_t used) {
  std::vector<bool> named(used);
  for (const uint32_t row : rows) {
    named[row] = true;
  }
  for (uint32_t row = 0; row < used; ++row) {
    PeerRow& peer = arena->peers[row];
    if (named[row]) {
      continue;
    }
    const uint32_t home = HomeOf(peer);
    if (home >= arena->header->upstreams.load(kRelaxed) ||
        !IsSound(peer, arena->capacity)) {
      FillPeer(&peer, 0, kOtherUpstream, {});
    } else if (IsRetired(arena->upstreams[home])) {
      peer.upstream.store(kOtherUpstream, kRelaxed);
    }
    peer.upstream.fetch_or(kRetired, kRelaxed);
    peer.retired.store(1, kRelaxed);
  }
}

void MendPeers(Arena* arena) {
  const Capacity& capacity = arena->capacity;
  std::vector<uint32_t> rows =
      RowsOf(arena->peer_index, capacity.peer_index, capacity.peers);
  const uint32_t upstreams = arena->header->upstreams.load(kRelaxed);
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](uint32_t row) {
                              const uint32_t home =
                                  arena->peers[row].upstream.load(kRelaxed);
                              return home >= upstreams ||
                                     IsRetired(arena->upstreams[home]);
                            }),
             rows.end());
  KeepOneOfEach(&rows, [arena](uint32_t row) {
    const PeerRow& peer = arena->peers[row];
    return std::make_pair(peer.upstream.load(kRelaxed), NameOf(peer));
  });
  Clear(arena->peer_index, capacity.peer_index);
  uint32_t chosen = 0;
  for (const uint32_t row : rows) {
    PeerRow& peer = arena->peers[row];
    const absl::string_view addr = NameOf(peer);
    const uint32_t upstream = peer.upstream.load(kRelaxed);
    const uint32_t hash = HashText(upstream, addr.data(), addr.size());
    peer.hash.store(hash, kRelaxed);
    peer.retired.store(0, kRelaxed);
    chosen += KindOf(arena->upstreams[upstream]) != UpstreamKind::kConfigured
                  ? 1U
                  : 0U;
    Put(arena->peer_index, capacity.peer_index, hash, row);
  }
  const uint32_t used =
      std::max(arena->header->peers.load(kRelaxed), Highest(rows, 0));
  RetireOthers(arena, rows, used);
  arena->header->peers.store(used, kRelaxed);
  arena->header->chosen_peers.store(chosen, kRelaxed);
}

void RaiseTo(Counter* id, uint64_t found) {
  if (found < kIdMax && found > id->load(kRelaxed)) {
    id->store(found, kRelaxed);
  }
}

// What is on record has its id, whenever the number was copied.
void MendIds(Arena* arena) {
  Header& header = *arena->header;
  for (uint32_t i = 0; i < arena->capacity.events; ++i) {
    RaiseTo(&header.events, PeekSlot(arena->events[i]).id);
  }
  for (uint32_t i = 0; i < arena->capacity.incidents; ++i) {
    RaiseTo(&header.incidents, arena->incidents[i].id.load(kRelaxed));
  }
}

// As many of `ids` as `least`, and so many more that the next one has the place
// in the ring that it would have had.
uint64_t Skip(uint64_t least, uint32_t ring, Counter* ids) {
  const uint64_t skipped = (least + ring - 1) / ring * ring;
  ids->fetch_add(skipped, kRelaxed);
  return skipped;
}

// Those who counted and moved are no more.
void ForgetProcesses(Arena* arena) {
  Header& header = *arena->header;
  for (Writer& writer : header.writers) {
    writer.process.store(0, kRelaxed);
  }
  header.barren_until.store(0, kRelaxed);
  header.no_upstream_until.store(0, kRelaxed);
  header.round.store(1, kRelaxed);  // that in which rows are retired here
  const uint32_t used = header.upstreams.load(kRelaxed);
  for (uint32_t row = 0; row < used; ++row) {
    Moves& moves = arena->upstreams[row].moves;
    moves.ended.store(moves.begun.load(kRelaxed), kRelaxed);
  }
}

}  // namespace

bool IsSound(const Arena& arena) {
  const Capacity& capacity = arena.capacity;
  if (!IsSound(*arena.header) || !IsUpstreamSound(arena, kOtherUpstream) ||
      !IsUpstreamSound(arena, kNoUpstream)) {
    return false;
  }
  for (uint32_t i = 0; i < capacity.upstream_index; ++i) {
    const uint32_t row = arena.IndexedUpstream(i);
    if (row != kNoPeer && (row <= kNoUpstream || row >= capacity.upstreams ||
                           !IsUpstreamSound(arena, row))) {
      return false;
    }
  }
  for (uint32_t i = 0; i < capacity.peer_index; ++i) {
    const uint32_t row = arena.IndexedPeer(i);
    if (row != kNoPeer &&
        (row >= capacity.peers || !IsSound(arena.peers[row], capacity))) {
      return false;
    }
  }
  for (uint32_t i = 0; i < capacity.incidents; ++i) {
    if (!IsSound(arena.incidents[i])) {
      return false;
    }
  }
  return true;
}

void Mend(Arena* arena) {
  MendFixed(arena);
  MendUpstreams(arena);
  MendPeers(arena);
  MendIds(arena);
  ForgetProcesses(arena);
}

void SkipIds(Arena* arena) {
  Header& header = *arena->header;
  header.events_skipped.fetch_add(
      Skip(kEventsAhead, arena->capacity.events, &header.events), kRelaxed);
  header.events_resumed.store(header.events.load(kRelaxed), kRelaxed);
  Skip(kIncidentsAhead, arena->capacity.incidents, &header.incidents);
}

}  // namespace upstream_502
