// Takes the statistics out of shared memory.

#include "upstream_502/store/copy.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "upstream_502/store/history.h"
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

template <size_t kSpans>
void CopySpans(const Time& running, const SpanTotals<kSpans, 3>& ring,
               int64_t width_ms, int64_t now_ms, const UpstreamStats& stats,
               absl::Span<Minute> to) {
  const auto counts =
      Differences(running, ring, width_ms, now_ms,
                  {Low(stats.requests), Low(stats.failures),
                   Low(ResponsesWithCode(stats.responses, 502))});
  for (size_t i = 0; i < kSpans; ++i) {
    to[i] = {counts[0][i], counts[1][i], counts[2][i]};
  }
}

Totals32<kMaxCauses> LowOf(const CauseCounts& causes) {
  Totals32<kMaxCauses> low;
  std::transform(causes.begin(), causes.end(), low.begin(), Low);
  return low;
}

void CopyHistory(const UpstreamRow& row, int64_t now_ms, bool hours,
                 UpstreamStats* stats) {
  stats->history.start = OldestStart(kMinuteMs, now_ms, kHistoryMinutes);
  CopySpans(row.minute, row.minutes, kMinuteMs, now_ms, *stats,
            absl::MakeSpan(stats->history.buckets));
  if (hours) {
    stats->hours.resize(kHistoryHours);
    CopySpans(row.hour, row.hours, kHourMs, now_ms, *stats,
              absl::MakeSpan(stats->hours));
  }
  const auto recent = Differences(row.recent, row.recents, kRecentMs, now_ms,
                                  LowOf(stats->causes));
  for (size_t i = 0; i < kMaxCauses; ++i) {
    stats->recent_causes[i] =
        std::accumulate(recent[i].begin(), recent[i].end(), uint64_t{0});
  }
}

void CopyUpstream(const UpstreamRow& row, int64_t now_ms, bool hours,
                  UpstreamStats* stats) {
  stats->name = std::string(NameOf(row));
  stats->protocol = static_cast<Protocol>(row.protocol.load(kRelaxed));
  if (static_cast<size_t>(stats->protocol) >=
      kProtocolCount) {  // a newer one's
    stats->protocol = Protocol::kUnknown;
  }
  stats->kind = KindOf(row);
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
  for (size_t i = 0; i < kGrpcStatusCount; ++i) {
    stats->grpc_statuses[i] = GrpcStatusOf(row, i + 1).load(kRelaxed);
  }
  Load(row.time_buckets, &stats->time_to_failure.counts);
  for (uint64_t count : stats->time_to_failure.counts) {
    stats->time_to_failure.count += count;
  }
  stats->time_to_failure.sum = row.time_sum.load(kRelaxed);
  stats->seen = row.seen.load(kRelaxed) != 0;
  stats->incidents = row.incidents.load(kRelaxed);
  CopyHistory(row, now_ms, hours, stats);
}

void CopyPeer(const PeerRow& row, int64_t now_ms, PeerStats* stats) {
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
  const auto counts = Differences(row.minute, row.minutes, kMinuteMs, now_ms,
                                  {Low(stats->attempts), Low(stats->failures)});
  stats->recent.start = OldestStart(kMinuteMs, now_ms, kPeerMinutes);
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

// By upstream row: those that the index names, once each, in order of their
// names.
std::vector<std::vector<uint32_t>> PublishedPeers(const Arena& arena) {
  const Capacity& capacity = arena.header->capacity;
  std::vector<std::vector<uint32_t>> peers(capacity.upstreams);
  std::vector<bool> known(capacity.peers);
  for (uint32_t i = 0; i < capacity.peer_index; ++i) {
    const uint32_t row = arena.IndexedPeer(i);
    if (row >= capacity.peers || known[row]) {
      continue;
    }
    const uint32_t upstream =
        arena.peers[row].upstream.load(std::memory_order_acquire);
    if (upstream < capacity.upstreams) {
      known[row] = true;
      peers[upstream].push_back(row);
    }
  }
  for (std::vector<uint32_t>& rows : peers) {
    std::sort(rows.begin(), rows.end(), [&arena](uint32_t a, uint32_t b) {
      return NameOf(arena.peers[a]) < NameOf(arena.peers[b]);
    });
  }
  return peers;
}

// By upstream row: those that are retired, and count as its "(other)".
std::vector<std::vector<uint32_t>> RetiredPeers(const Arena& arena) {
  const Capacity& capacity = arena.header->capacity;
  std::vector<std::vector<uint32_t>> peers(capacity.upstreams);
  for (uint32_t row = 0; row < arena.header->peers.load(kRelaxed); ++row) {
    const PeerRow& peer = arena.peers[row];
    if (IsRetired(peer) && HomeOf(peer) < capacity.upstreams) {
      peers[HomeOf(peer)].push_back(row);
    }
  }
  return peers;
}

void CopyRow(const Arena& arena, uint32_t row,
             const std::vector<uint32_t>& peers,
             const std::vector<uint32_t>& retired, int64_t now_ms, bool hours,
             Snapshot* snapshot) {
  const UpstreamRow& upstream = arena.upstreams[row];
  const bool configured = row != kOtherUpstream && row != kNoUpstream;
  if (!configured && upstream.seen.load(kRelaxed) == 0) {
    return;
  }
  UpstreamStats& stats = snapshot->upstreams.emplace_back();
  CopyUpstream(upstream, now_ms, hours, &stats);
  stats.peers.reserve(peers.size() + 1);
  for (const uint32_t each : peers) {
    PeerStats peer;
    CopyPeer(arena.peers[each], now_ms, &peer);
    if (!stats.peers.empty() && stats.peers.back().addr == peer.addr) {
      Merge(peer, &stats.peers.back());
    } else {
      stats.peers.push_back(std::move(peer));
    }
  }
  PeerStats& other = stats.peers.emplace_back();
  CopyPeer(arena.peers[arena.OtherPeer(row)], now_ms, &other);
  for (const uint32_t each : retired) {
    PeerStats peer;
    CopyPeer(arena.peers[each], now_ms, &peer);
    Merge(peer, &other);
  }
  if (other.attempts == 0 && other.failures == 0) {
    stats.peers.pop_back();
  }
}

void SumHours(const Arena& arena, int64_t now_ms, Snapshot* snapshot) {
  Totals& totals = snapshot->totals;
  totals.hours_start = OldestStart(kHourMs, now_ms, kHistoryHours);
  totals.requests_hours.resize(kHistoryHours);
  for (const UpstreamStats& upstream : snapshot->upstreams) {
    for (size_t i = 0; i < kHistoryHours; ++i) {
      totals.requests_hours[i] += upstream.hours[i].requests;
    }
  }
  const Header& header = *arena.header;
  Totals32<kMaxCauses> causes;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    causes[i] = Low(header.causes[i].load(kRelaxed));
  }
  const auto counts =
      Differences(header.hour, header.hours, kHourMs, now_ms, causes);
  for (size_t i = 0; i < kMaxCauses; ++i) {
    totals.causes_hours[i].assign(counts[i].begin(), counts[i].end());
  }
}

void SumTotals(const Arena& arena, int64_t now_ms, Snapshot* snapshot) {
  Totals& totals = snapshot->totals;
  totals.requests_history.start =
      OldestStart(kMinuteMs, now_ms, kHistoryMinutes);
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
  Totals32<kMaxCauses> causes;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    causes[i] = Low(header.causes[i].load(kRelaxed));
    Histogram& histogram = totals.time_to_failure[i];
    Load(header.time_buckets[i], &histogram.counts);
    for (uint64_t count : histogram.counts) {
      histogram.count += count;
    }
    histogram.sum = header.time_sums[i].load(kRelaxed);
  }
  totals.causes_history =
      Differences(header.minute, header.minutes, kMinuteMs, now_ms, causes);
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
  zone.peers = 0;
  for (uint32_t i = 0; i < header.capacity.peer_index; ++i) {
    zone.peers += arena.IndexedPeer(i) != kNoPeer ? 1U : 0U;
  }
  zone.evicted = header.evicted.load(kRelaxed);
  zone.peers_max = header.capacity.peers;
  zone.events =
      std::min<uint64_t>(snapshot->events.size(), header.capacity.events);
  zone.events_max = header.capacity.events;
  zone.events_total = header.events.load(kRelaxed);
  zone.overflow = header.overflow.load(kRelaxed);
  zone.incidents = snapshot->incidents.size();
  zone.incidents_max = header.capacity.incidents;
}

}  // namespace

Copier::Copier(const Store& store, int64_t now_ms, Snapshot* snapshot,
               bool hours)
    : arena_(store.arena()),
      now_ms_(now_ms),
      snapshot_(snapshot),
      hours_(hours) {
  const Header& header = *arena_.header;
  snapshot->server.time = now_ms;
  snapshot->server.start_time = header.start_time.load(kRelaxed);
  snapshot->server.load_time = header.load_time.load(kRelaxed);
  snapshot->server.generation = header.generation.load(kRelaxed);
  snapshot->server.restarts = header.restarts.load(kRelaxed);
  upstreams_ = PublishedUpstreams(arena_);
  peers_ = PublishedPeers(arena_);
  retired_ = RetiredPeers(arena_);
  snapshot->upstreams.reserve(upstreams_.size());
}

bool Copier::Next(size_t work) {
  size_t done = 0;
  for (; next_upstream_ < upstreams_.size(); ++next_upstream_) {
    if (done >= work) {
      return true;
    }
    const uint32_t row = upstreams_[next_upstream_];
    CopyRow(arena_, row, peers_[row], retired_[row], now_ms_, hours_,
            snapshot_);
    done += kUpstreamWork + peers_[row].size();
  }
  if (!summed_) {
    SumTotals(arena_, now_ms_, snapshot_);
    if (hours_) {
      SumHours(arena_, now_ms_, snapshot_);
    }
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
  for (; next_incident_ < arena_.capacity.incidents; ++next_incident_) {
    const IncidentSlot& slot = arena_.incidents[next_incident_];
    if (slot.id.load(kRelaxed) == 0) {
      continue;
    }
    if (done++ >= work) {
      return true;
    }
    Incident incident;
    if (ReadIncident(arena_, slot, now_ms_, &incident)) {
      snapshot_->incidents.push_back(std::move(incident));
    }
  }
  SettleIncidents(snapshot_);
  FillZone(arena_, snapshot_);
  return false;
}

void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot, bool hours) {
  Copier(store, now_ms, snapshot, hours).Next(SIZE_MAX);
}

}  // namespace upstream_502
