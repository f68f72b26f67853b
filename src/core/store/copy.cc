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

// Neither in use nor in the making: what it has is "(other)"'s.
bool IsGone(const UpstreamRow& row) {
  return IsRetired(row) && row.retired.load(std::memory_order_acquire) != 0;
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
      named_(arena_.capacity.upstreams, false),
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
  CopyCauses(header, now_ms, hours, &snapshot->totals);
}

bool Copier::Next(size_t work) {
  const auto step = [this] {
    switch (step_) {
      case 0:
        return FindUpstreams();
      case 1:
        return FindGone();
      case 2:
        return FindPeers();
      case 3:
        return FindRetired();
      case 4:
        return CopyRows();
      case 5:
        return AddUp();
      case 6:
        return FindEvents();
      case 7:
        return CopyEvents();
      default:
        return CopyIncidents();
    }
  };
  constexpr size_t kSteps = 9;
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
    all_moves_ = MovesTo(kOtherUpstream);
  }
  const size_t count = arena_.capacity.upstream_index;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const uint32_t row = arena_.IndexedUpstream(static_cast<uint32_t>(i));
      if (row < named_.size() && !named_[row] &&
          !IsRetired(arena_.upstreams[row])) {
        named_[row] = true;
        upstreams_.push_back(row);
      }
    }
  }
  return next_ == count;
}

// Not one that went since, nor one in the making.
bool Copier::FindGone() {
  const size_t count =
      std::min(arena_.header->upstreams.load(std::memory_order_acquire),
               arena_.capacity.upstreams);
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      if (i > kNoUpstream && !named_[i] && IsGone(arena_.upstreams[i])) {
        gone_.push_back(static_cast<uint32_t>(i));
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
    } else if (read_ < rows_.size()) {
      ReadRow();
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
  if (MovesTo(kOtherUpstream) == all_moves_ || ++all_tries_ == kReads) {
    return false;
  }
  snapshot_->upstreams.clear();
  snapshot_->zone.peers = 0;
  gone_.clear();
  named_.assign(named_.size(), false);
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
  std::sort(rows_.begin() + 1, rows_.end());
  tries_ = 0;
  BeginRow();
}

void Copier::BeginRow() {
  moves_ = MovesToOpen();
  std::atomic_thread_fence(std::memory_order_acquire);
  open_ = &snapshot_->upstreams.emplace_back();
  other_ = PeerStats();
  read_ = 0;
}

// One of its rows.
void Copier::ReadRow() {
  const uint32_t row = rows_[read_++];
  // It may be another upstream's by now.
  const bool left = rows_.front() != kOtherUpstream || read_ == 1 ||
                    IsGone(arena_.upstreams[row]);
  const PeerRow& other = arena_.peers[arena_.OtherPeer(row)];
  if (read_ == 1) {
    CopyUpstream(arena_.upstreams[row], now_ms_, hours_, open_);
    CopyPeer(other, now_ms_, &other_);
  } else if (left) {
    UpstreamStats more;
    CopyUpstream(arena_.upstreams[row], now_ms_, hours_, &more);
    Merge(more, open_);
    PeerStats more_of_other;
    CopyPeer(other, now_ms_, &more_of_other);
    Merge(more_of_other, &other_);
  }
  TakePeersOf(row);
  Spend(kUpstreamWork);
  if (read_ == rows_.size()) {
    SortPeers();
  }
}

void Copier::SortPeers() {
  if (rows_.front() <= kNoUpstream && !open_->seen) {
    snapshot_->upstreams.pop_back();
    open_ = nullptr;
    peers_.clear();
    others_.clear();
    return;
  }
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
  const uint32_t home = HomeOf(peer);
  return home == rows_.front() ||
         std::binary_search(rows_.begin() + 1, rows_.end(), home);
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
  // Not of one that got its place since, of the same upstream perhaps.
  if (IsOfOpen(row) &&
      (IsRetired(row) || IsRetired(arena_.upstreams[HomeOf(row)]))) {
    PeerStats peer;
    CopyPeer(row, now_ms_, &peer);
    Merge(peer, &other_);
  }
}

// What has ended before what has begun: then that is not less.
Copier::Moved Copier::MovesTo(uint32_t row) const {
  const Moves& moves = arena_.upstreams[row].moves;
  Moved moved;
  moved.ended = moves.ended.load(std::memory_order_acquire);
  moved.begun = moves.begun.load(std::memory_order_acquire);
  return moved;
}

Copier::Moved Copier::MovesToOpen() const {
  Moved all;
  for (const uint32_t row : rows_) {
    const Moved moved = MovesTo(row);
    all.ended += moved.ended;
    all.begun += moved.begun;
  }
  return all;
}

void Copier::CloseRow() {
  std::atomic_thread_fence(std::memory_order_acquire);
  const Moved moved = MovesToOpen();
  // One that does not end was a killed process's: then nothing changes.
  const bool at_work = tries_ == 0 && moved.begun != moved.ended;
  if ((moved != moves_ || at_work) && ++tries_ < kReads) {
    snapshot_->upstreams.pop_back();
    BeginRow();
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
