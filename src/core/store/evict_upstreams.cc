// Rows of upstreams that come and go: of those that no configuration in use
// names any more, and of those that clients may have chosen. They are retired
// as peers' rows are, and their peers with them; what they counted is that of
// the upstream "(other)" from then on, its hours and minutes included.

#include "evict.h"
#include "index.h"
#include "totals.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr size_t kSweep = 256;

// Where both are in the same span, what each span began with adds up. Else the
// clocks of workers differ: then all of it counts as older than any span.
template <size_t kSpans, size_t kKinds>
void MoveSpans(const Time& from_running, const Time& to_running,
               const SpanTotals<kSpans, kKinds>& from,
               const Totals32<kKinds>& totals, SpanTotals<kSpans, kKinds>* to) {
  const bool together =
      from_running.load(kRelaxed) == to_running.load(kRelaxed);
  for (size_t span = 0; span < kSpans; ++span) {
    for (size_t kind = 0; kind < kKinds; ++kind) {
      to->at[span][kind].fetch_add(
          together ? from.at[span][kind].load(kRelaxed) : totals[kind],
          kRelaxed);
    }
  }
}

void MoveShard(Shard* from, Shard* to) {
  MoveCount(&from->requests, &to->requests);
  MoveCount(&from->attempts, &to->attempts);
  MoveCounts(&from->grpc_statuses, &to->grpc_statuses);
}

}  // namespace

// Whether a configuration that is in use names it.
bool Store::IsNamed(const UpstreamRow& row) const {
  const uint64_t generation = row.generation.load();
  return generation != 0 && (generation >= arena_.header->generation.load() ||
                             HasWriterOf(arena_, generation));
}

// As MakeRoom, of upstreams. An incident of one that goes is over.
void Store::MakeUpstreamRoom(bool chosen, int64_t now_ms) {
  Header& header = *arena_.header;
  const uint32_t capacity = arena_.capacity.upstreams;
  const uint32_t reserve = capacity / kReserve + 1;
  const uint32_t used = header.upstreams.load(std::memory_order_acquire);
  const bool share_used =
      chosen && header.resolved.load(kRelaxed) >= capacity / kChosenShare;
  const int64_t inactive = header.inactive.load(kRelaxed);
  if (inactive == 0 || now_ms == 0 ||
      (used + reserve <= capacity && !share_used) ||
      !TakeTurn(&header.upstreams_after, now_ms, now_ms + kSecondMs)) {
    return;
  }
  uint32_t free = capacity - used;
  bool waits = false;  // for a round that nobody has begun
  std::vector<uint32_t> gone;
  for (uint32_t row = kNoUpstream + 1; row < used; ++row) {
    UpstreamRow& upstream = arena_.upstreams[row];
    const uint32_t round = upstream.retired.load();
    if (!IsRetired(upstream)) {
      KeepBehind(now_ms, {&upstream.named});
      if (LiesAhead(upstream.minute.load(kRelaxed), now_ms)) {
        OpenMinute(&upstream, now_ms);
      }
    } else if (round == kLeaving) {
      gone.push_back(row);  // who began with it was killed
      ++free;
    } else if (round != 0 && round != kTakenAgain && !IsNamed(upstream)) {
      waits = waits || round > header.round.load();
      ++free;
    }
  }
  const size_t wanted = WantedOf(free, reserve, share_used, kSweep);
  const int64_t quiet = std::max(inactive, kIncidentQuietMs) + kMinuteMs;
  Oldest oldest(wanted);
  for (uint32_t row = kNoUpstream + 1; row < used && wanted > 0; ++row) {
    const UpstreamRow& upstream = arena_.upstreams[row];
    const int64_t named = upstream.named.load(kRelaxed);
    const int64_t used_at = std::max(named, upstream.minute.load(kRelaxed));
    const bool by_client = KindOf(upstream) == UpstreamKind::kResolved;
    if (named == 0 || now_ms - used_at < quiet || (share_used && !by_client) ||
        IsRetired(upstream) || IsNamed(upstream)) {
      continue;
    }
    oldest.Offer({!by_client, used_at, row, 0});
  }
  if (wanted > 0 && oldest.rows().empty()) {
    header.upstreams_after.store(now_ms + kMinuteMs, kRelaxed);
  }
  if (waits || !oldest.rows().empty() || !gone.empty()) {
    const Moving moving(&arena_.upstreams[kOtherUpstream].moves);
    for (const Candidate& candidate : oldest.rows()) {
      if (RetireUpstream(candidate.row)) {
        gone.push_back(candidate.row);
      }
    }
    FinishUpstreams(gone);
    NextRound(arena_);
  }
}

// Nobody finds it from here on; one process does it. Not with what is in the
// making.
bool Store::RetireUpstream(uint32_t row) {
  UpstreamRow& upstream = arena_.upstreams[row];
  uint32_t round = 0;
  uint32_t in_use = 0;
  return SlotOf(UpstreamIndex(arena_), upstream.hash.load(kRelaxed), row) !=
             kNoRow &&
         (upstream.retired.compare_exchange_strong(round, kLeaving) ||
          round == kLeaving) &&
         upstream.state.compare_exchange_strong(in_use, kRetired);
}

// The rest of it. Whoever has begun may be killed before any of it, or go on
// beside another one: each step is done once.
void Store::FinishUpstreams(const std::vector<uint32_t>& rows) {
  for (const uint32_t row : rows) {
    const uint32_t hash = arena_.upstreams[row].hash.load(kRelaxed);
    const uint32_t slot = SlotOf(UpstreamIndex(arena_), hash, row);
    if (slot != kNoRow && Remove(UpstreamIndex(arena_), slot, row)) {
      Add(&arena_.header->evicted);
    }
  }
  RetirePeersOfRetired();
  for (const uint32_t row : rows) {
    UpstreamRow& upstream = arena_.upstreams[row];
    if (upstream.kind.exchange(0, kRelaxed) ==
        static_cast<uint8_t>(UpstreamKind::kResolved)) {
      arena_.header->resolved.fetch_sub(1, kRelaxed);
    }
    HaveLeft(arena_.header, &upstream.retired);
  }
}

void Store::RetirePeersOfRetired() {
  for (uint32_t i = 0; i < arena_.capacity.peer_index; ++i) {
    const uint32_t row = arena_.IndexedPeer(i);
    if (row != kNoPeer &&
        IsRetired(arena_.upstreams[HomeOf(arena_.peers[row])])) {
      Retire(i, row);
    }
  }
  const uint32_t used = arena_.header->peers.load(kRelaxed);
  for (uint32_t row = 0; row < used; ++row) {
    Rehome(row);
  }
}

// A retired row of a retired upstream counts for "(other)" of "(other)", so
// that the upstream's number may become another's.
void Store::Rehome(uint32_t row) {
  PeerRow& peer = arena_.peers[row];
  uint32_t home = peer.upstream.load();
  const uint32_t upstream = home & ~kRetired;
  if (home != upstream && upstream > kNoUpstream &&
      upstream < arena_.capacity.upstreams &&
      IsRetired(arena_.upstreams[upstream])) {
    peer.upstream.compare_exchange_strong(home, kOtherUpstream | kRetired);
  }
}

// Whether nobody knows the row any more. `passed` is PassedRound.
bool Store::IsFree(const UpstreamRow& row, uint32_t passed) const {
  const uint32_t round = row.retired.load();
  return IsRetired(row) && round != 0 && round <= passed && !IsNamed(row);
}

bool Store::HasRoomForUpstream() {
  const UpstreamRow* const rows = arena_.upstreams;
  const uint32_t passed = PassedRound(arena_);
  const bool has_room =
      arena_.header->upstreams.load() < arena_.capacity.upstreams ||
      std::any_of(rows + kNoUpstream + 1, rows + arena_.capacity.upstreams,
                  [&](const UpstreamRow& row) { return IsFree(row, passed); });
  if (has_room) {
    arena_.header->no_upstream_until.store(0);
  }
  return has_room;
}

uint32_t Store::ReuseUpstream(int64_t now_ms) {
  Time& none_until = arena_.header->no_upstream_until;
  const int64_t until = none_until.load(kRelaxed);
  if (now_ms < until && !LiesAhead(until, now_ms)) {
    return kNoRow;
  }
  const uint32_t passed = PassedRound(arena_);
  for (uint32_t row = kNoUpstream + 1; row < arena_.capacity.upstreams; ++row) {
    UpstreamRow& upstream = arena_.upstreams[row];
    uint32_t round = upstream.retired.load();
    if (IsFree(upstream, passed) &&
        upstream.retired.compare_exchange_strong(round, kTakenAgain)) {
      MoveUpstream(row, now_ms);
      return row;
    }
  }
  none_until.store(now_ms + kSecondMs, kRelaxed);
  return kNoRow;
}

void Store::MoveUpstream(uint32_t row, int64_t now_ms) {
  UpstreamRow* from = arena_.upstreams + row;
  UpstreamRow* to = arena_.upstreams + kOtherUpstream;
  const Moving moving(&to->moves);
  if (from->seen.load(kRelaxed) != 0) {
    EmptyUpstream(from, to, now_ms);
    Empty(arena_.peers + arena_.OtherPeer(row),
          arena_.peers + arena_.OtherPeer(kOtherUpstream));
  }
  from->retired.store(0);  // in the making
}

// Counts before spans: who is killed in between leaves a leap, and no hole.
void Store::EmptyUpstream(UpstreamRow* from, UpstreamRow* to, int64_t now_ms) {
  for (UpstreamRow* each : {from, to}) {
    OpenMinute(each, now_ms);
    OpenRecent(each, now_ms);
  }
  const Totals32<3> totals = TotalsOf(*from);
  const Totals32<kMaxCauses> causes = TotalsOf(from->causes);
  for (size_t i = 0; i < kUpstreamShards; ++i) {
    MoveShard(from->shards + i, to->shards + i);
  }
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    MoveCounts(from->responses + i, to->responses + i);
  }
  MoveCounts(&from->causes, &to->causes);
  MoveCounts(&from->errno_classes, &to->errno_classes);
  MoveCounts(&from->findings, &to->findings);
  MoveCounts(&from->time_buckets, &to->time_buckets);
  MoveCount(&from->time_sum, &to->time_sum);
  MoveCount(&from->rescued, &to->rescued);
  MoveCount(&from->incidents, &to->incidents);
  MoveSpans(from->minute, to->minute, from->minutes, totals, &to->minutes);
  MoveSpans(from->hour, to->hour, from->hours, totals, &to->hours);
  MoveSpans(from->recent, to->recent, from->recents, causes, &to->recents);
}

}  // namespace upstream_502
