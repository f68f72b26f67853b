// Takes the statistics out of shared memory.

#include "upstream_502/store/copy.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "absl/types/span.h"
#include "copy_rows.h"
#include "upstream_502/store/history.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// An upstream's own row, with its history, is worth so many of its peers'.
constexpr size_t kUpstreamWork = 4;

// So many entries of an index are worth one row.
constexpr size_t kFew = 16;
constexpr uint32_t kEnd = UINT32_MAX;
constexpr uint32_t kUnknown = UINT32_MAX - 1;

// Orders heaps of rows: the first by name is on top. Rows are sorted, since
// the statistics are heavy to move, and by a heap, since that is done bit by
// bit.
template <typename Row>
auto LaterByName(const Row* rows) {
  return [rows](uint32_t a, uint32_t b) {
    return NameOf(rows[a]) > NameOf(rows[b]);
  };
}

template <typename T, typename Less>
T PopHeap(List<T>* heap, const Less& less) {
  std::pop_heap(heap->begin(), heap->end(), less);
  const T top = heap->back();
  heap->pop_back();
  return top;
}

void AddToTotals(const UpstreamStats& upstream, Totals* totals) {
  totals->requests += upstream.requests;
  totals->attempts += upstream.attempts;
  totals->failures += upstream.failures;
  totals->rescued += upstream.rescued;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    totals->causes[i] += upstream.causes[i];
  }
  for (size_t i = 0; i < kMaxFindings; ++i) {
    totals->findings[i] += upstream.findings[i];
  }
  for (size_t code = 0; code < kResponseCodeCount; ++code) {
    for (size_t origin = 0; origin < kOriginCount; ++origin) {
      totals->responses[code][origin] += upstream.responses[code][origin];
    }
  }
  for (size_t i = 0; i < kHistoryMinutes; ++i) {
    totals->requests_history.buckets[i] += upstream.history.buckets[i].requests;
  }
  for (size_t i = 0; i < upstream.hours.size(); ++i) {
    totals->requests_hours[i] += upstream.hours[i].requests;
  }
}

void CopyCauseHours(const Arena& arena, int64_t now_ms, Snapshot* snapshot) {
  Totals& totals = snapshot->totals;
  totals.hours_start = OldestStart(kHourMs, now_ms, kHistoryHours);
  totals.requests_hours.resize(kHistoryHours);
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

void CopyCauses(const Arena& arena, int64_t now_ms, Snapshot* snapshot) {
  Totals& totals = snapshot->totals;
  totals.requests_history.start =
      OldestStart(kMinuteMs, now_ms, kHistoryMinutes);
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

void CopyEvent(const Arena& arena, uint64_t id, const EventSlot& slot,
               int64_t now_ms, List<Event>* events) {
  if (!events->empty() && events->back().id == id) {
    return;  // in both rings
  }
  Event event;
  if (ReadEvent(arena, slot, id, now_ms, &event)) {
    events->push_back(std::move(event));
  }
}

}  // namespace

Copier::Chains::Chains(size_t heads, size_t rows)
    : head(heads, kEnd), next(rows, kUnknown) {}

void Copier::Chains::Add(uint32_t chain, uint32_t row) {
  if (chain < head.size() && !Has(row)) {
    next[row] = std::exchange(head[chain], row);
  }
}

bool Copier::Chains::Has(uint32_t row) const { return next[row] != kUnknown; }

Copier::Copier(const Store& store, int64_t now_ms, Snapshot* snapshot,
               bool hours)
    : arena_(store.arena()),
      now_ms_(now_ms),
      snapshot_(snapshot),
      hours_(hours),
      published_(arena_.capacity.upstreams, arena_.capacity.peers),
      retired_(arena_.capacity.upstreams, arena_.capacity.peers) {
  const Header& header = *arena_.header;
  snapshot->server.time = now_ms;
  snapshot->server.start_time =
      NotAhead(header.start_time.load(kRelaxed), now_ms);
  snapshot->server.load_time =
      NotAhead(header.load_time.load(kRelaxed), now_ms);
  snapshot->server.generation = header.generation.load(kRelaxed);
  snapshot->server.restarts = header.restarts.load(kRelaxed);
  CopyCauses(arena_, now_ms, snapshot);
  if (hours) {
    CopyCauseHours(arena_, now_ms, snapshot);
  }
}

bool Copier::Next(size_t work) {
  const auto step = [this] {
    switch (step_) {
      case 0:
        return FindUpstreams();
      case 1:
        return FindPeers();
      case 2:
        return FindRetired();
      case 3:
        return CopyRows();
      case 4:
        return FindEvents();
      case 5:
        return CopyEvents();
      default:
        return CopyIncidents();
    }
  };
  constexpr size_t kSteps = 7;
  left_ = work;
  for (; step_ < kSteps; ++step_, next_ = 0) {
    if (!step()) {
      return true;
    }
  }
  SettleIncidents(snapshot_);
  FillZone();
  return false;
}

void Copier::Spend(size_t work) { left_ -= std::min(left_, work); }

bool Copier::NextFew(size_t count, size_t* from) {
  if (left_ == 0 || next_ == count) {
    return false;
  }
  Spend(1);
  *from = next_;
  next_ = std::min(count, next_ + kFew);
  return true;
}

// Others than those that an index names may still be in the making.
bool Copier::FindUpstreams() {
  const size_t count = arena_.capacity.upstream_index;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const uint32_t row = arena_.IndexedUpstream(static_cast<uint32_t>(i));
      if (row != kNoPeer) {
        upstreams_.push_back(row);
      }
    }
  }
  if (next_ < count) {
    return false;
  }
  upstreams_.push_back(kOtherUpstream);
  upstreams_.push_back(kNoUpstream);
  std::make_heap(upstreams_.begin(), upstreams_.end(),
                 LaterByName(arena_.upstreams));
  snapshot_->upstreams.reserve(upstreams_.size());
  return true;
}

bool Copier::FindPeers() {
  const size_t count = arena_.capacity.peer_index;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const uint32_t row = arena_.IndexedPeer(static_cast<uint32_t>(i));
      if (row == kNoPeer) {
        continue;
      }
      ++snapshot_->zone.peers;
      if (row < arena_.capacity.peers) {
        published_.Add(
            arena_.peers[row].upstream.load(std::memory_order_acquire), row);
      }
    }
  }
  return next_ == count;
}

// They count as the "(other)" of their upstream.
bool Copier::FindRetired() {
  const size_t count =
      std::min(arena_.header->peers.load(kRelaxed), arena_.capacity.peers);
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const PeerRow& peer = arena_.peers[i];
      if (IsRetired(peer)) {
        retired_.Add(HomeOf(peer), static_cast<uint32_t>(i));
      }
    }
  }
  return next_ >= count;
}

bool Copier::CopyRows() {
  while (open_ != nullptr || !upstreams_.empty()) {
    if (left_ == 0) {
      return false;
    }
    if (open_ == nullptr) {
      OpenRow();
    } else if (!peers_.empty()) {
      AddPeer();
    } else if (next_retired_ != kEnd) {
      AddRetired();
    } else {
      CloseRow();
    }
  }
  return true;
}

void Copier::OpenRow() {
  const uint32_t row = PopHeap(&upstreams_, LaterByName(arena_.upstreams));
  const UpstreamRow& upstream = arena_.upstreams[row];
  const bool configured = row != kOtherUpstream && row != kNoUpstream;
  Spend(kUpstreamWork);
  if (!configured && upstream.seen.load(kRelaxed) == 0) {
    return;
  }
  open_ = &snapshot_->upstreams.emplace_back();
  CopyUpstream(upstream, now_ms_, hours_, open_);
  for (uint32_t peer = published_.head[row]; peer != kEnd;
       peer = published_.next[peer]) {
    peers_.push_back(peer);
  }
  std::make_heap(peers_.begin(), peers_.end(), LaterByName(arena_.peers));
  next_retired_ = retired_.head[row];
  other_ = PeerStats();
  CopyPeer(arena_.peers[arena_.OtherPeer(row)], now_ms_, &other_);
  const bool others =
      next_retired_ != kEnd || other_.attempts > 0 || other_.failures > 0;
  open_->peers.reserve(peers_.size() + (others ? 1 : 0));
}

void Copier::AddPeer() {
  PeerStats peer;
  CopyPeer(arena_.peers[PopHeap(&peers_, LaterByName(arena_.peers))], now_ms_,
           &peer);
  List<PeerStats>& peers = open_->peers;
  if (!peers.empty() && peers.back().addr == peer.addr) {
    Merge(peer, &peers.back());
  } else {
    peers.push_back(std::move(peer));
  }
  Spend(1);
}

void Copier::AddRetired() {
  PeerStats peer;
  CopyPeer(arena_.peers[next_retired_], now_ms_, &peer);
  Merge(peer, &other_);
  next_retired_ = retired_.next[next_retired_];
  Spend(1);
}

void Copier::CloseRow() {
  if (other_.attempts > 0 || other_.failures > 0) {
    open_->peers.push_back(std::move(other_));
  }
  AddToTotals(*open_, &snapshot_->totals);
  open_ = nullptr;
}

// Slots with an event that was not reset away; one that is in both rings is
// there twice.
bool Copier::FindEvents() {
  const uint64_t floor = arena_.header->events_floor.load(kRelaxed);
  const size_t events = arena_.capacity.events;
  const size_t count = events + kMaxCauses * kRareEvents;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const EventSlot* slot =
          i < events ? &arena_.events[i] : &arena_.rare[i - events];
      if (const uint64_t id = PeekSlot(*slot).id; id > floor) {
        events_.emplace_back(id, slot);
      }
    }
  }
  if (next_ < count) {
    return false;
  }
  std::make_heap(events_.begin(), events_.end());
  snapshot_->events.reserve(events_.size());
  return true;
}

bool Copier::CopyEvents() {
  while (!events_.empty()) {
    if (left_ == 0) {
      return false;
    }
    const auto [id, slot] = PopHeap(&events_, std::less<>());
    CopyEvent(arena_, id, *slot, now_ms_, &snapshot_->events);
    Spend(1);
  }
  return true;
}

bool Copier::CopyIncidents() {
  for (; next_ < arena_.capacity.incidents; ++next_) {
    const IncidentSlot& slot = arena_.incidents[next_];
    if (slot.id.load(kRelaxed) == 0) {
      continue;
    }
    if (left_ == 0) {
      return false;
    }
    Incident incident;
    if (ReadIncident(arena_, slot, now_ms_, &incident)) {
      snapshot_->incidents.push_back(std::move(incident));
    }
    Spend(1);
  }
  return true;
}

void Copier::FillZone() {
  const Header& header = *arena_.header;
  ZoneInfo& zone = snapshot_->zone;
  zone.evicted = header.evicted.load(kRelaxed);
  zone.peers_max = header.capacity.peers;
  zone.events =
      std::min<uint64_t>(snapshot_->events.size(), header.capacity.events);
  zone.events_max = header.capacity.events;
  zone.events_total = header.events.load(kRelaxed);
  zone.overflow = header.overflow.load(kRelaxed);
  zone.incidents = snapshot_->incidents.size();
  zone.incidents_max = header.capacity.incidents;
}

void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot, bool hours) {
  Copier(store, now_ms, snapshot, hours).Next(SIZE_MAX);
}

}  // namespace upstream_502
