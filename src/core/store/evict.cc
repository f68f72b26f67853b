// Rows that come and go. A row that was not used for long is retired: it leaves
// the index and matches nothing any more, and what it holds is "(other)"'s from
// then on, for readers at once. Who has found it before may still add to it.
// Only kQuarantineMs later, when nobody does, is it emptied into "(other)" and
// becomes another's. A few rows are kept retired ahead of need, so that who
// comes does not wait for that.

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>

#include "upstream_502/store/history.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint32_t kNoRow = UINT32_MAX;
// One row in so many is kept free.
constexpr uint32_t kReserve = 8;
constexpr int64_t kSecondMs = 1000;
// Makes a row that a client may have chosen older than any other.
constexpr int64_t kTimeOfClients = int64_t{1} << 48;
// Retired at once: so much a request of an unknown peer may wait for.
constexpr size_t kSweep = 256;

// When a row was last used, which slot of the index names it, and the row.
using Candidate = std::tuple<int64_t, uint32_t, uint32_t>;

// True for one process of those that come before `*at`, and moves it.
bool TakeTurn(Time* at, int64_t now_ms, int64_t next_ms) {
  int64_t seen = at->load(kRelaxed);
  return (now_ms >= seen || LiesAhead(seen, now_ms)) &&
         at->compare_exchange_strong(seen, next_ms, kRelaxed);
}

uint64_t Move(Counter* from, Counter* to) {
  const uint64_t count = from->exchange(0, kRelaxed);
  if (count != 0) {
    to->fetch_add(count, kRelaxed);
  }
  return count;
}

void Raise(Time* to, int64_t ms) {
  if (to->load(kRelaxed) < ms) {
    to->store(ms, kRelaxed);
  }
}

// All that `from` counted; what `to` says of the last minutes stays.
void Empty(PeerRow* from, PeerRow* to) {
  uint64_t attempts = 0;
  uint64_t failures = 0;
  for (size_t i = 0; i < kPeerShards; ++i) {
    attempts += Move(&from->shards[i].attempts, &to->shards[i].attempts);
    Raise(&to->shards[i].last_success,
          from->shards[i].last_success.load(kRelaxed));
  }
  for (size_t i = 0; i < kMaxCauses; ++i) {
    failures += Move(&from->causes[i], &to->causes[i]);
  }
  for (size_t i = 0; i < kErrnoClassCount; ++i) {
    Move(&from->errno_classes[i], &to->errno_classes[i]);
  }
  for (Word(&at)[2] : to->minutes.at) {
    at[0].fetch_add(Low(attempts), kRelaxed);
    at[1].fetch_add(Low(failures), kRelaxed);
  }
  const int64_t first = from->first_failure.load(kRelaxed);
  const int64_t known = to->first_failure.load(kRelaxed);
  if (first != 0 && (known == 0 || first < known)) {
    to->first_failure.store(first, kRelaxed);
  }
  const int64_t last = from->last_failure.load(kRelaxed);
  if (last > to->last_failure.load(kRelaxed)) {
    to->last_failure.store(last, kRelaxed);
    to->last_cause.store(from->last_cause.load(kRelaxed), kRelaxed);
  }
}

}  // namespace

uint32_t Store::FreeRows() const {
  const uint32_t used = arena_.header->peers.load(kRelaxed);
  uint32_t free = arena_.capacity.peers - std::min(used, arena_.capacity.peers);
  for (uint32_t row = 0; row < used; ++row) {
    const uint32_t since = arena_.peers[row].retired.load(kRelaxed);
    free += since != 0 && since != kTakenAgain ? 1U : 0U;
  }
  return free;
}

// Keeps a reserve of rows: those of peers that a client may have chosen go
// first, and for a configured one even while they are used.
void Store::MakeRoom(bool chosen, int64_t now_ms) {
  Header& header = *arena_.header;
  const uint32_t reserve = arena_.capacity.peers / kReserve + 1;
  const uint32_t used = header.peers.load(kRelaxed);
  const bool share_used = chosen && header.chosen_peers.load(kRelaxed) >=
                                        arena_.capacity.peers / kChosenShare;
  const int64_t inactive = header.inactive.load(kRelaxed);
  if (inactive == 0 || now_ms == 0 ||
      (used + reserve <= arena_.capacity.peers && !share_used) ||
      !TakeTurn(&header.sweep_after, now_ms, now_ms + kSecondMs)) {
    return;
  }
  const uint32_t free = FreeRows();
  const size_t wanted =
      std::min<size_t>(kSweep, share_used       ? reserve
                               : free < reserve ? reserve - free
                                                : 0);
  std::array<Candidate, kSweep> oldest;  // a heap, the youngest in front
  size_t count = 0;
  const auto end = [&oldest](size_t n) {
    return oldest.begin() + static_cast<ptrdiff_t>(n);
  };
  for (uint32_t i = 0; i < arena_.capacity.peer_index && wanted > 0; ++i) {
    const uint32_t row = arena_.IndexedPeer(i);
    if (row == kNoPeer) {
      continue;
    }
    const PeerRow& peer = arena_.peers[row];
    const uint32_t upstream = peer.upstream.load(kRelaxed);
    if ((upstream & kRetired) != 0) {
      Retire(i, row, now_ms);  // who began with it was killed
      continue;
    }
    const int64_t minute = peer.minute.load(kRelaxed);
    const bool by_client = IsChosen(upstream);
    const bool idle = now_ms - minute >= inactive + kMinuteMs;
    if (minute == 0 || (!idle && (!by_client || chosen)) ||
        (share_used && !by_client)) {
      continue;
    }
    const Candidate candidate = {by_client ? minute - kTimeOfClients : minute,
                                 i, row};
    if (count == wanted && oldest[0] < candidate) {
      continue;
    }
    if (count == wanted) {
      std::pop_heap(oldest.begin(), end(count));
      --count;
    }
    oldest[count++] = candidate;
    std::push_heap(oldest.begin(), end(count));
  }
  for (size_t i = 0; i < count; ++i) {
    const auto& [used_at, slot, row] = oldest[i];
    Retire(slot, row, now_ms);
  }
  if (count == 0) {
    header.sweep_after.store(now_ms + kMinuteMs, kRelaxed);
  }
}

// Takes the row that slot `slot` of the index names out of use; one process
// does it.
bool Store::Retire(uint32_t slot, uint32_t row, int64_t now_ms) {
  Word* const index = arena_.peer_index;
  const uint32_t mask = arena_.capacity.peer_index - 1;
  PeerRow& peer = arena_.peers[row];
  const uint32_t upstream = peer.upstream.fetch_or(kRetired);
  uint32_t named = row + 1;
  if (!index[slot].compare_exchange_strong(named, kGone)) {
    return false;
  }
  // Nobody looks behind the last place of a way: then it ends earlier.
  uint32_t gone = kGone;
  while (index[(slot + 1) & mask].load() == 0 &&
         index[slot].compare_exchange_strong(gone, 0)) {
    slot = (slot - 1) & mask;
    gone = kGone;
  }
  if (upstream < arena_.capacity.upstreams && IsChosen(upstream)) {
    arena_.header->chosen_peers.fetch_sub(1, kRelaxed);
  }
  Add(&arena_.header->evicted);
  peer.retired.store(RetiredAt(now_ms), std::memory_order_release);
  return true;
}

uint32_t Store::ReuseRow(int64_t now_ms) {
  Header& header = *arena_.header;
  const int64_t barren = header.barren_until.load(kRelaxed);
  if (now_ms == 0 || (now_ms < barren && !LiesAhead(barren, now_ms))) {
    return kNoRow;
  }
  const uint32_t rows = arena_.capacity.peers;
  const uint32_t start = header.hand.fetch_add(1, kRelaxed);
  for (uint32_t i = 0; i < rows; ++i) {
    const uint32_t row = (start + i) % rows;
    PeerRow& peer = arena_.peers[row];
    uint32_t seconds = peer.retired.load(std::memory_order_acquire);
    const int64_t since = int64_t{seconds} * kSecondMs;
    // Seconds are cut: one more.
    if (seconds == 0 || seconds == kTakenAgain ||
        (now_ms - since < kQuarantineMs + kSecondMs &&
         !LiesAhead(since, now_ms))) {
      continue;
    }
    if (peer.retired.compare_exchange_strong(seconds, kTakenAgain)) {
      header.hand.store(row + 1, kRelaxed);
      if (HomeOf(peer) < arena_.capacity.upstreams) {
        Empty(&peer, arena_.peers + arena_.OtherPeer(HomeOf(peer)));
      }
      return row;
    }
  }
  header.barren_until.store(now_ms + kSecondMs, kRelaxed);
  return kNoRow;
}

}  // namespace upstream_502
