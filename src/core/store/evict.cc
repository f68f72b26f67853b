// Rows of peers that come and go. A row that was not used for long is retired:
// it leaves the index and matches nothing any more, and what it holds is
// "(other)"'s from then on, for readers at once. Who has found it before may
// still add to it. Only when all that count have been in their event loop since
// is it emptied into "(other)" and becomes another's. A few rows are kept
// retired ahead of need, so that who comes does not wait for that.

#include "evict.h"

#include "index.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
// Retired at once: so much a request of an unknown peer may wait for.
constexpr size_t kSweep = 256;

void Raise(Time* to, int64_t ms) {
  if (to->load(kRelaxed) < ms) {
    to->store(ms, kRelaxed);
  }
}

}  // namespace

void Empty(PeerRow* from, PeerRow* to) {
  uint64_t attempts = 0;
  uint64_t failures = 0;
  for (size_t i = 0; i < kPeerShards; ++i) {
    attempts += MoveCount(&from->shards[i].attempts, &to->shards[i].attempts);
    Raise(&to->shards[i].last_success,
          from->shards[i].last_success.load(kRelaxed));
  }
  for (size_t i = 0; i < kMaxCauses; ++i) {
    failures += MoveCount(&from->causes[i], &to->causes[i]);
  }
  MoveCounts(&from->errno_classes, &to->errno_classes);
  const uint64_t idle_ends = MoveCount(&from->idle_ends, &to->idle_ends);
  for (Word(&at)[3] : to->minutes.at) {
    at[0].fetch_add(Low(attempts), kRelaxed);
    at[1].fetch_add(Low(failures), kRelaxed);
    at[2].fetch_add(Low(idle_ends), kRelaxed);
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

// `waits`: some of them for a round that nobody has begun.
uint32_t Store::FreeRows(bool* waits) const {
  const uint32_t used = arena_.header->peers.load(kRelaxed);
  const uint32_t round = arena_.header->round.load();
  uint32_t free = arena_.capacity.peers - std::min(used, arena_.capacity.peers);
  for (uint32_t row = 0; row < used; ++row) {
    const uint32_t since = arena_.peers[row].retired.load(kRelaxed);
    const bool is_free = since != 0 && since < kLeaving;
    free += is_free ? 1U : 0U;
    *waits = *waits || (is_free && since > round);
  }
  return free;
}

// Those that no index names any more, whose killer was killed.
void Store::FinishPeers() {
  const uint32_t used = arena_.header->peers.load(kRelaxed);
  for (uint32_t row = 0; row < used; ++row) {
    PeerRow& peer = arena_.peers[row];
    if (peer.retired.load(kRelaxed) == kLeaving && IsRetired(peer) &&
        SlotOf(PeerIndex(arena_), peer.hash.load(kRelaxed), row) == kNoRow) {
      HaveLeft(arena_.header, &peer.retired);
    }
  }
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
  FinishPeers();
  bool waits = false;
  const size_t wanted = WantedOf(FreeRows(&waits), reserve, share_used, kSweep);
  Oldest oldest(wanted);
  uint32_t chosen_peers = 0;
  for (uint32_t i = 0; i < arena_.capacity.peer_index && wanted > 0; ++i) {
    const uint32_t row = arena_.IndexedPeer(i);
    if (row == kNoPeer) {
      continue;
    }
    PeerRow& peer = arena_.peers[row];
    const uint32_t upstream = peer.upstream.load(kRelaxed);
    if ((upstream & kRetired) != 0) {
      waits = Retire(i, row) || waits;  // who began with it was killed
      continue;
    }
    const int64_t minute = peer.minute.load(kRelaxed);
    const bool by_client = IsChosen(upstream);
    chosen_peers += by_client ? 1U : 0U;
    if (minute == 0 || LiesAhead(minute, now_ms)) {
      OpenMinute(&peer, now_ms);  // counted from now on
      continue;
    }
    const bool idle = now_ms - minute >= inactive + kMinuteMs;
    if ((!idle && (!by_client || chosen)) || (share_used && !by_client)) {
      continue;
    }
    oldest.Offer({!by_client, minute, row, i});
  }
  // Those that come and go beside this are few.
  if (wanted > 0) {
    header.chosen_peers.store(chosen_peers, kRelaxed);
  }
  for (const Candidate& candidate : oldest.rows()) {
    waits = Retire(candidate.slot, candidate.row) || waits;
  }
  if (waits) {
    NextRound(arena_);
  }
  if (wanted > 0 && oldest.rows().empty()) {
    header.sweep_after.store(now_ms + kMinuteMs, kRelaxed);
  }
}

// Takes the row that slot `slot` of the index names out of use, in the round
// that comes; one process does it.
bool Store::Retire(uint32_t slot, uint32_t row) {
  PeerRow& peer = arena_.peers[row];
  const uint32_t upstream = peer.upstream.fetch_or(kRetired) & ~kRetired;
  uint32_t round = 0;
  peer.retired.compare_exchange_strong(round, kLeaving);
  if (!Remove(PeerIndex(arena_), slot, row)) {
    return false;
  }
  if (upstream < arena_.capacity.upstreams && IsChosen(upstream)) {
    arena_.header->chosen_peers.fetch_sub(1, kRelaxed);
  }
  Add(&arena_.header->evicted);
  HaveLeft(arena_.header, &peer.retired);
  return true;
}

// A peer of an upstream that goes, which who takes that out of use may have
// missed.
void Store::RetireStray(uint32_t row) {
  const uint32_t slot =
      SlotOf(PeerIndex(arena_), arena_.peers[row].hash.load(kRelaxed), row);
  if (slot != kNoRow) {
    Retire(slot, row);
  }
  Rehome(row);
}

uint32_t Store::ReuseRow(int64_t now_ms) {
  Header& header = *arena_.header;
  const int64_t barren = header.barren_until.load(kRelaxed);
  if (now_ms == 0 || (now_ms < barren && !LiesAhead(barren, now_ms))) {
    return kNoRow;
  }
  const uint32_t passed = PassedRound(arena_);
  const uint32_t rows = arena_.capacity.peers;
  const uint32_t start = header.hand.fetch_add(1, kRelaxed);
  for (uint32_t i = 0; i < rows; ++i) {
    const uint32_t row = (start + i) % rows;
    PeerRow& peer = arena_.peers[row];
    uint32_t round = peer.retired.load(std::memory_order_acquire);
    if (round == 0 || round > passed) {
      continue;
    }
    if (peer.retired.compare_exchange_strong(round, kTakenAgain)) {
      header.hand.store(row + 1, kRelaxed);
      const uint32_t home = HomeOf(peer);
      if (home < arena_.capacity.upstreams) {
        const Moving moving(&arena_.upstreams[home].moves);
        Empty(&peer, arena_.peers + arena_.OtherPeer(home));
      }
      return row;
    }
  }
  header.barren_until.store(now_ms + kSecondMs, kRelaxed);
  return kNoRow;
}

}  // namespace upstream_502
