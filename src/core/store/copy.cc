// Takes the statistics out of shared memory.

#include "upstream_502/store/copy.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/types/span.h"
#include "copy_rows.h"
#include "upstream_502/store/history.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// An upstream's own row, with its history, is worth so many of its peers'.
constexpr size_t kUpstreamWork = 4;

// So many entries of an index are worth one row.
constexpr size_t kFew = 16;
constexpr uint32_t kEnd = UINT32_MAX;
// So often what others move meanwhile is read.
constexpr int kReads = 3;
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
        return AddUp();
      case 5:
        return FindEvents();
      case 6:
        return CopyEvents();
      default:
        return CopyIncidents();
    }
  };
  constexpr size_t kSteps = 8;
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
  if (next_ == 0) {
    const Moves& moves = arena_.upstreams[kOtherUpstream].moves;
    all_begun_ = moves.begun.load(std::memory_order_acquire);
  }
  const size_t count = arena_.capacity.upstream_index;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const uint32_t row = arena_.IndexedUpstream(static_cast<uint32_t>(i));
      if (row != kNoPeer && !IsRetired(arena_.upstreams[row])) {
        upstreams_.push_back(row);
      }
    }
  }
  if (next_ < count) {
    return false;
  }
  const uint32_t used =
      std::min(arena_.header->upstreams.load(std::memory_order_acquire),
               arena_.capacity.upstreams);
  for (uint32_t row = kNoUpstream + 1; row < used; ++row) {
    if (IsRetired(arena_.upstreams[row])) {
      gone_.push_back(row);
    }
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
      if (IsRetired(peer) && !published_.Has(static_cast<uint32_t>(i))) {
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
    } else if (!others_.empty()) {
      AddRetired();
    } else {
      CloseRow();
    }
  }
  return !StartOver();
}

bool Copier::StartOver() {
  const Moves& moves = arena_.upstreams[kOtherUpstream].moves;
  if (moves.begun.load(std::memory_order_acquire) == all_begun_ ||
      ++all_tries_ == kReads) {
    return false;
  }
  snapshot_->upstreams.clear();
  snapshot_->zone.peers = 0;
  gone_.clear();
  published_ = Chains(arena_.capacity.upstreams, arena_.capacity.peers);
  retired_ = Chains(arena_.capacity.upstreams, arena_.capacity.peers);
  step_ = 0;
  next_ = 0;
  return true;
}

bool Copier::AddUp() {
  for (; next_ < snapshot_->upstreams.size(); ++next_) {
    if (left_ == 0) {
      return false;
    }
    AddToTotals(snapshot_->upstreams[next_], &snapshot_->totals);
    Spend(1);
  }
  return true;
}

void Copier::OpenRow() {
  const auto later = LaterByName(arena_.upstreams);
  const uint32_t row = PopHeap(&upstreams_, later);
  const absl::string_view name = NameOf(arena_.upstreams[row]);
  rows_.assign(1, row);
  while (row > kNoUpstream && !upstreams_.empty() &&
         upstreams_.front() > kNoUpstream &&
         NameOf(arena_.upstreams[upstreams_.front()]) == name) {
    rows_.push_back(PopHeap(&upstreams_, later));
  }
  if (row == kOtherUpstream) {
    rows_.insert(rows_.end(), gone_.begin(), gone_.end());
  }
  tries_ = 0;
  ReadRow();
}

void Copier::ReadRow() {
  const bool configured = rows_.front() > kNoUpstream;
  begun_ = MovesToOpen().first;
  std::atomic_thread_fence(std::memory_order_acquire);
  UpstreamStats& stats = snapshot_->upstreams.emplace_back();
  other_ = PeerStats();
  for (const uint32_t row : rows_) {
    const PeerRow& other = arena_.peers[arena_.OtherPeer(row)];
    if (row == rows_.front()) {
      CopyUpstream(arena_.upstreams[row], now_ms_, hours_, &stats);
      CopyPeer(other, now_ms_, &other_);
    } else {
      UpstreamStats more;
      CopyUpstream(arena_.upstreams[row], now_ms_, hours_, &more);
      Merge(more, &stats);
      PeerStats more_of_other;
      CopyPeer(other, now_ms_, &more_of_other);
      Merge(more_of_other, &other_);
    }
    TakePeersOf(row);
    Spend(kUpstreamWork);
  }
  if (!configured && !stats.seen) {
    snapshot_->upstreams.pop_back();
    peers_.clear();
    others_.clear();
    return;
  }
  open_ = &stats;
  std::make_heap(peers_.begin(), peers_.end(), LaterByName(arena_.peers));
  const bool others =
      !others_.empty() || other_.attempts > 0 || other_.failures > 0;
  open_->peers.reserve(peers_.size() + (others ? 1 : 0));
}

// Those of an upstream that went have no names any more.
void Copier::TakePeersOf(uint32_t row) {
  List<uint32_t>& named = rows_.front() == kOtherUpstream ? others_ : peers_;
  for (uint32_t peer = published_.head[row]; peer != kEnd;
       peer = published_.next[peer]) {
    named.push_back(peer);
  }
  for (uint32_t peer = retired_.head[row]; peer != kEnd;
       peer = retired_.next[peer]) {
    others_.push_back(peer);
  }
}

// A row may be another upstream's by now; what it had is moved then.
bool Copier::IsOfOpen(const PeerRow& peer) const {
  return std::find(rows_.begin(), rows_.end(), HomeOf(peer)) != rows_.end();
}

void Copier::AddPeer() {
  const uint32_t row = PopHeap(&peers_, LaterByName(arena_.peers));
  Spend(1);
  if (!IsOfOpen(arena_.peers[row])) {
    return;
  }
  PeerStats peer;
  CopyPeer(arena_.peers[row], now_ms_, &peer);
  List<PeerStats>& peers = open_->peers;
  if (!peers.empty() && peers.back().addr == peer.addr) {
    Merge(peer, &peers.back());
  } else {
    peers.push_back(std::move(peer));
  }
}

void Copier::AddRetired() {
  const PeerRow& row = arena_.peers[others_.back()];
  others_.pop_back();
  Spend(1);
  if (IsOfOpen(row)) {
    PeerStats peer;
    CopyPeer(row, now_ms_, &peer);
    Merge(peer, &other_);
  }
}

std::pair<uint32_t, uint32_t> Copier::MovesToOpen() const {
  uint32_t begun = 0;
  uint32_t ended = 0;
  for (const uint32_t row : rows_) {
    const Moves& moves = arena_.upstreams[row].moves;
    ended += moves.ended.load(std::memory_order_acquire);
    begun += moves.begun.load(std::memory_order_acquire);
  }
  return {begun, ended};
}

void Copier::CloseRow() {
  std::atomic_thread_fence(std::memory_order_acquire);
  const auto [begun, ended] = MovesToOpen();
  // One that does not end was a killed process's: then nothing changes.
  const bool at_work = tries_ == 0 && begun != ended;
  if ((begun != begun_ || at_work) && ++tries_ < kReads) {
    open_ = nullptr;
    snapshot_->upstreams.pop_back();
    ReadRow();
    return;
  }
  if (other_.attempts > 0 || other_.failures > 0) {
    open_->peers.push_back(std::move(other_));
  }
  open_ = nullptr;
}

void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot, bool hours) {
  Copier copier(store, now_ms, snapshot, hours);
  while (copier.Next(SIZE_MAX)) {
  }
}

}  // namespace upstream_502
