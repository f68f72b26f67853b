// Takes the statistics out of shared memory.

#include "upstream_502/store/copy.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// An upstream's own row, with its history, is worth so many of its peers'.
constexpr size_t kUpstreamWork = 4;

template <size_t N>
void Load(const Counter (&from)[N], std::array<uint64_t, N>* to) {
  for (size_t i = 0; i < N; ++i) {
    (*to)[i] = from[i].load(kRelaxed);
  }
}

// What was counted between two totals, modulo 2^32. A minute that was opened,
// or a counter that was reset, while others are read may seem to run
// backwards: nothing was counted then.
uint32_t Since(uint32_t start, uint32_t total) {
  const uint32_t count = total - start;
  return count <= INT32_MAX ? count : 0;
}

// Turns totals at the start of minutes into counts per minute: what a minute
// saw is the difference to the next minute that was opened, or to the totals
// of now. `before(slot, i)` are a slot's totals.
template <size_t kShown, size_t kKinds, typename Slot, size_t kSlots,
          typename Before>
std::array<std::array<uint64_t, kShown>, kKinds> Differences(
    const Slot (&slots)[kSlots], uint32_t now_minute,
    std::array<uint32_t, kKinds> totals, const Before& before) {
  std::array<std::array<uint64_t, kShown>, kKinds> counts{};
  for (size_t back = 0; back < kShown && back < now_minute; ++back) {
    const auto minute = static_cast<uint32_t>(now_minute - back);
    const Slot& slot = slots[minute % kSlots];
    if (slot.minute.load(std::memory_order_acquire) != minute) {
      continue;
    }
    for (size_t kind = 0; kind < kKinds; ++kind) {
      const uint32_t start = before(slot, kind);
      const uint32_t count = Since(start, totals[kind]);
      counts[kind][kShown - 1 - back] = count;
      totals[kind] -= count;
    }
  }
  return counts;
}

uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }

uint32_t MinuteOf(int64_t time_ms) {
  return static_cast<uint32_t>(time_ms / kMinuteMs);
}

int64_t OldestMinute(uint32_t now_minute, size_t shown) {
  return (int64_t{now_minute} - static_cast<int64_t>(shown) + 1) * kMinuteMs;
}

void CopyHistory(const UpstreamRow& row, uint32_t now_minute,
                 UpstreamStats* stats) {
  const auto counts = Differences<kHistoryMinutes, 3>(
      row.minutes, now_minute,
      {Low(stats->requests), Low(stats->failures),
       Low(ResponsesWithCode(stats->responses, 502))},
      [](const MinuteSlot& slot, size_t kind) {
        const Word* const words[] = {&slot.requests, &slot.failures,
                                     &slot.responses_502};
        return words[kind]->load(kRelaxed);
      });
  stats->history.start = OldestMinute(now_minute, kHistoryMinutes);
  for (size_t i = 0; i < kHistoryMinutes; ++i) {
    stats->history.buckets[i] = {counts[0][i], counts[1][i], counts[2][i]};
  }
}

void CopyRecent(const UpstreamRow& row, int64_t now_ms, UpstreamStats* stats) {
  const auto now = static_cast<uint32_t>(now_ms / kRecentMs);
  // The oldest slot of the window tells what the totals were before it.
  for (uint32_t back = kRecentSlots; back-- > 0;) {
    const CauseSlot& slot = row.recents[(now - back) % kRecentSlots];
    if (slot.minute.load(std::memory_order_acquire) == now - back) {
      for (size_t i = 0; i < kMaxCauses; ++i) {
        stats->recent_causes[i] =
            Since(slot.causes[i].load(kRelaxed), Low(stats->causes[i]));
      }
      return;
    }
  }
}

void CopyUpstream(const UpstreamRow& row, int64_t now_ms,
                  UpstreamStats* stats) {
  stats->name = std::string(NameOf(row));
  stats->protocol = static_cast<Protocol>(row.protocol.load(kRelaxed));
  if (static_cast<size_t>(stats->protocol) >=
      kProtocolCount) {  // a newer one's
    stats->protocol = Protocol::kUnknown;
  }
  for (const Shard& shard : row.shards) {
    stats->requests += shard.requests.load(kRelaxed);
    stats->attempts += shard.attempts.load(kRelaxed);
  }
  Load(row.causes, &stats->causes);
  for (uint64_t count : stats->causes) {
    stats->failures += count;
  }
  stats->rescued = row.rescued.load(kRelaxed);
  for (size_t code = 0; code < kResponseCodeCount; ++code) {
    Load(row.responses[code], &stats->responses[code]);
  }
  Load(row.errno_classes, &stats->errno_classes);
  Load(row.findings, &stats->findings);
  Load(row.grpc_statuses, &stats->grpc_statuses);
  Load(row.time_buckets, &stats->time_to_failure.counts);
  for (uint64_t count : stats->time_to_failure.counts) {
    stats->time_to_failure.count += count;
  }
  stats->time_to_failure.sum = row.time_sum.load(kRelaxed);
  stats->seen = row.seen.load(kRelaxed) != 0;
  CopyHistory(row, MinuteOf(now_ms), stats);
  CopyRecent(row, now_ms, stats);
}

void CopyPeer(const PeerRow& row, uint32_t now_minute, PeerStats* stats) {
  stats->addr = std::string(NameOf(row));
  for (const Shard& shard : row.shards) {
    stats->attempts += shard.attempts.load(kRelaxed);
    stats->last_success =
        std::max(stats->last_success, shard.last_success.load(kRelaxed));
  }
  Load(row.causes, &stats->causes);
  for (uint64_t count : stats->causes) {
    stats->failures += count;
  }
  Load(row.errno_classes, &stats->errno_classes);
  stats->first_failure = row.first_failure.load(kRelaxed);
  stats->last_failure = row.last_failure.load(kRelaxed);
  stats->last_cause = static_cast<Cause>(row.last_cause.load(kRelaxed));
  if (static_cast<size_t>(stats->last_cause) >= kCauseCount) {
    stats->last_cause = Cause::kUnknown;  // a newer binary's
  }
  const auto counts = Differences<kPeerMinutes, 2>(
      row.minutes, now_minute, {Low(stats->attempts), Low(stats->failures)},
      [](const PeerMinuteSlot& slot, size_t kind) {
        return (kind == 0 ? slot.attempts : slot.failures).load(kRelaxed);
      });
  stats->recent.start = OldestMinute(now_minute, kPeerMinutes);
  for (size_t i = 0; i < kPeerMinutes; ++i) {
    stats->recent.buckets[i] = {counts[0][i], counts[1][i]};
  }
}

// Rows that an index names, in order of their names; others may still be in
// the making. Rows are sorted, since the statistics are heavy to move.
std::vector<uint32_t> PublishedUpstreams(const Arena& arena) {
  std::vector<uint32_t> rows = {kOtherUpstream, kNoUpstream};
  for (uint32_t i = 0; i < arena.header->capacity.upstream_index; ++i) {
    if (const uint32_t row = arena.IndexedUpstream(i); row != kNoPeer) {
      rows.push_back(row);
    }
  }
  std::sort(rows.begin(), rows.end(), [&arena](uint32_t a, uint32_t b) {
    return NameOf(arena.upstreams[a]) < NameOf(arena.upstreams[b]);
  });
  return rows;
}

// By upstream row.
std::vector<std::vector<uint32_t>> PublishedPeers(const Arena& arena) {
  const Capacity& capacity = arena.header->capacity;
  std::vector<std::vector<uint32_t>> peers(capacity.upstreams);
  for (uint32_t i = 0; i < capacity.peer_index; ++i) {
    if (const uint32_t row = arena.IndexedPeer(i); row != kNoPeer) {
      peers[arena.peers[row].upstream].push_back(row);
    }
  }
  for (std::vector<uint32_t>& rows : peers) {
    std::sort(rows.begin(), rows.end(), [&arena](uint32_t a, uint32_t b) {
      return NameOf(arena.peers[a]) < NameOf(arena.peers[b]);
    });
  }
  return peers;
}

void CopyRow(const Arena& arena, uint32_t row,
             const std::vector<uint32_t>& peers, int64_t now_ms,
             Snapshot* snapshot) {
  const UpstreamRow& upstream = arena.upstreams[row];
  const bool configured = row != kOtherUpstream && row != kNoUpstream;
  if (!configured && upstream.seen.load(kRelaxed) == 0) {
    return;
  }
  const uint32_t now_minute = MinuteOf(now_ms);
  UpstreamStats& stats = snapshot->upstreams.emplace_back();
  CopyUpstream(upstream, now_ms, &stats);
  stats.peers.resize(peers.size() + 1);
  for (size_t i = 0; i < peers.size(); ++i) {
    CopyPeer(arena.peers[peers[i]], now_minute, &stats.peers[i]);
  }
  PeerStats& other = stats.peers.back();
  CopyPeer(arena.peers[arena.OtherPeer(row)], now_minute, &other);
  if (other.attempts == 0 && other.failures == 0) {
    stats.peers.pop_back();
  }
}

void SumTotals(const Arena& arena, uint32_t now_minute, Snapshot* snapshot) {
  Totals& totals = snapshot->totals;
  totals.requests_history.start = OldestMinute(now_minute, kHistoryMinutes);
  for (const UpstreamStats& upstream : snapshot->upstreams) {
    totals.requests += upstream.requests;
    totals.attempts += upstream.attempts;
    totals.failures += upstream.failures;
    totals.rescued += upstream.rescued;
    for (size_t i = 0; i < kMaxCauses; ++i) {
      totals.causes[i] += upstream.causes[i];
    }
    for (size_t i = 0; i < kMaxFindings; ++i) {
      totals.findings[i] += upstream.findings[i];
    }
    for (size_t code = 0; code < kResponseCodeCount; ++code) {
      for (size_t origin = 0; origin < kOriginCount; ++origin) {
        totals.responses[code][origin] += upstream.responses[code][origin];
      }
    }
    for (size_t i = 0; i < kHistoryMinutes; ++i) {
      totals.requests_history.buckets[i] +=
          upstream.history.buckets[i].requests;
    }
  }
  const Header& header = *arena.header;
  std::array<uint32_t, kMaxCauses> causes;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    causes[i] = Low(header.causes[i].load(kRelaxed));
    Histogram& histogram = totals.time_to_failure[i];
    Load(header.time_buckets[i], &histogram.counts);
    for (uint64_t count : histogram.counts) {
      histogram.count += count;
    }
    histogram.sum = header.time_sums[i].load(kRelaxed);
  }
  totals.causes_history = Differences<kHistoryMinutes, kMaxCauses>(
      header.minutes, now_minute, causes,
      [](const CauseSlot& slot, size_t cause) {
        return slot.causes[cause].load(kRelaxed);
      });
}

// An event's row is older than the event, so that it is whole; the bounds are
// for what another process may have left.
void TakeNames(const Arena& arena, const FailureRows& rows, Event* event) {
  if (rows.upstream < arena.header->upstreams.load(kRelaxed)) {
    event->upstream = std::string(NameOf(arena.upstreams[rows.upstream]));
  }
  if (rows.peer < arena.header->peers.load(kRelaxed)) {
    event->peer = std::string(NameOf(arena.peers[rows.peer]));
  }
}

// Slots with an event that was not reset away, newest first; one that is in
// both rings is there twice.
std::vector<std::pair<uint64_t, const EventSlot*>> FindEvents(
    const Arena& arena) {
  const Header& header = *arena.header;
  const uint64_t floor = header.events_floor.load(kRelaxed);
  std::vector<std::pair<uint64_t, const EventSlot*>> found;
  const auto look = [&](const EventSlot* slots, size_t count) {
    for (const EventSlot* slot = slots; slot < slots + count; ++slot) {
      if (const uint64_t id = PeekSlot(*slot).id; id > floor) {
        found.emplace_back(id, slot);
      }
    }
  };
  look(arena.events, header.capacity.events);
  look(arena.rare, kMaxCauses * kRareEvents);
  std::sort(found.begin(), found.end(), std::greater<>());
  return found;
}

void CopyEvent(const Arena& arena, uint64_t id, const EventSlot& slot,
               std::vector<Event>* events) {
  if (!events->empty() && events->back().id == id) {
    return;  // in both rings
  }
  Event event;
  FailureRows rows;
  // Another event may have taken the slot meanwhile.
  if (ReadSlot(slot, &event, &rows) && event.id == id) {
    TakeNames(arena, rows, &event);
    events->push_back(std::move(event));
  }
}

void FillZone(const Arena& arena, Snapshot* snapshot) {
  const Header& header = *arena.header;
  ZoneInfo& zone = snapshot->zone;
  zone.peers = arena.header->peers.load(kRelaxed);
  zone.peers_max = header.capacity.peers;
  zone.events =
      std::min<uint64_t>(snapshot->events.size(), header.capacity.events);
  zone.events_max = header.capacity.events;
  zone.events_total = header.events.load(kRelaxed);
  zone.overflow = header.overflow.load(kRelaxed);
}

}  // namespace

Copier::Copier(const Store& store, int64_t now_ms, Snapshot* snapshot)
    : arena_(store.arena()), now_ms_(now_ms), snapshot_(snapshot) {
  const Header& header = *arena_.header;
  snapshot->server.time = now_ms;
  snapshot->server.start_time = header.start_time.load(kRelaxed);
  snapshot->server.load_time = header.load_time.load(kRelaxed);
  snapshot->server.generation = header.generation.load(kRelaxed);
  upstreams_ = PublishedUpstreams(arena_);
  peers_ = PublishedPeers(arena_);
  snapshot->upstreams.reserve(upstreams_.size());
}

bool Copier::Next(size_t work) {
  size_t done = 0;
  for (; next_upstream_ < upstreams_.size(); ++next_upstream_) {
    if (done >= work) {
      return true;
    }
    const uint32_t row = upstreams_[next_upstream_];
    CopyRow(arena_, row, peers_[row], now_ms_, snapshot_);
    done += kUpstreamWork + peers_[row].size();
  }
  if (!summed_) {
    SumTotals(arena_, MinuteOf(now_ms_), snapshot_);
    events_ = FindEvents(arena_);
    snapshot_->events.reserve(events_.size());
    summed_ = true;
  }
  for (; next_event_ < events_.size(); ++next_event_, ++done) {
    if (done >= work) {
      return true;
    }
    const auto& [id, slot] = events_[next_event_];
    CopyEvent(arena_, id, *slot, &snapshot_->events);
  }
  FillZone(arena_, snapshot_);
  return false;
}

void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot) {
  Copier(store, now_ms, snapshot).Next(SIZE_MAX);
}

}  // namespace upstream_502
