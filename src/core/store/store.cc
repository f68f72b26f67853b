// Counting: rows found or added without a lock, minutes opened as they come.

#include "upstream_502/store/store.h"

#include <algorithm>

#include "upstream_502/store/history.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr uint32_t kNoRow = UINT32_MAX;

// The next unused row, or kNoRow. Whoever takes a row that was given back
// must see it abandoned: hence acquire and release.
uint32_t TakeRow(Word* used, uint32_t capacity) {
  uint32_t row = used->load(kRelaxed);
  while (row < capacity) {
    if (used->compare_exchange_weak(row, row + 1, std::memory_order_acq_rel,
                                    kRelaxed)) {
      return row;
    }
  }
  return kNoRow;
}

// False where later rows were handed out meanwhile.
bool GiveBackRow(Word* used, uint32_t row) {
  uint32_t next = row + 1;
  return used->compare_exchange_strong(next, row, std::memory_order_acq_rel,
                                       kRelaxed);
}

// An index of rows: a slot holds a row plus one, or 0 while it is free.
struct Index {
  Word* slots;
  uint32_t size;  // a power of two, twice as many as there are rows at least
};

// How often the way to a row may change under the feet of who adds one.
constexpr int kTries = 8;

// Goes from slot to slot: the row that `matches`, or else kNoRow, and in
// `place` the slot where it would be, which held `held`: one that a row is gone
// from, the first on the way, or the free one at its end.
template <typename Matches>
uint32_t Search(const Index& index, uint32_t hash, const Matches& matches,
                Word** place, uint32_t* held) {
  *place = nullptr;
  uint32_t at = FirstSlot(hash, index.size);
  for (uint32_t i = 0; i < index.size; ++i) {
    Word& slot = index.slots[at];
    const uint32_t stored = slot.load(std::memory_order_acquire);
    if (stored != 0 && stored != kGone && matches(stored - 1)) {
      return stored - 1;
    }
    if ((stored == 0 || stored == kGone) && *place == nullptr) {
      *place = &slot;
      *held = stored;
    }
    if (stored == 0) {
      break;
    }
    at = (at + 1) & (index.size - 1);
  }
  return kNoRow;
}

// The row that `matches`, or else a new one that `make` returns; kNoRow when
// there is no more. Two processes may both make a row for a new key: the one
// that loses the race gives its row back, and nobody ever waits. Where rows
// went meanwhile, both may find a place: then the key has two rows, which
// readers take together.
template <typename Matches, typename Make, typename GiveBack>
uint32_t FindOrAdd(const Index& index, uint32_t hash, const Matches& matches,
                   const Make& make, const GiveBack& give_back) {
  uint32_t made = kNoRow;
  for (int tries = 0; tries < kTries; ++tries) {
    Word* place;
    uint32_t held;
    const uint32_t found = Search(index, hash, matches, &place, &held);
    if (found != kNoRow) {
      if (made != kNoRow) {
        give_back(made);
      }
      return found;
    }
    if (place == nullptr) {
      break;
    }
    if (made == kNoRow) {
      made = make();
      if (made == kNoRow) {
        return kNoRow;
      }
    }
    if (place->compare_exchange_strong(held, made + 1,
                                       std::memory_order_acq_rel,
                                       std::memory_order_relaxed)) {
      return made;
    }
  }
  if (made != kNoRow) {
    give_back(made);
  }
  return kNoRow;
}

bool Matches(const UpstreamRow& row, uint32_t hash, absl::string_view name) {
  return row.hash == hash && row.name_length == name.size() &&
         SameText(row.name, name.data(), name.size());
}

bool Matches(const PeerRow& row, uint32_t hash, uint32_t upstream,
             absl::string_view addr) {
  return row.hash == hash &&
         row.upstream.load(std::memory_order_acquire) == upstream &&
         row.addr_length == addr.size() &&
         SameText(row.addr, addr.data(), addr.size());
}

template <size_t N>
uint32_t Sum(const Counter (&counters)[N]) {
  uint64_t sum = 0;
  for (const Counter& counter : counters) {
    sum += counter.load(kRelaxed);
  }
  return Low(sum);
}

template <size_t N>
uint32_t Sum(const Shard (&shards)[N], Counter Shard::*counter) {
  uint64_t sum = 0;
  for (const Shard& shard : shards) {
    sum += (shard.*counter).load(kRelaxed);
  }
  return Low(sum);
}

Totals32<3> TotalsOf(const UpstreamRow& row) {
  static_assert(kResponseCodes[1] == 502);
  return {Sum(row.shards, &Shard::requests), Sum(row.causes),
          Sum(row.responses[1])};
}

Totals32<kMaxCauses> TotalsOf(const Counter (&causes)[kMaxCauses]) {
  Totals32<kMaxCauses> totals;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    totals[i] = Low(causes[i].load(kRelaxed));
  }
  return totals;
}

// Most failures are quick.
size_t TimeBucket(uint64_t ms) {
  size_t bucket = 0;
  while (bucket < kTimeBuckets && ms > kTimeBounds[bucket]) {
    ++bucket;
  }
  return bucket;
}

}  // namespace

uint32_t Store::FindOrAddUpstream(absl::string_view name, Protocol protocol,
                                  UpstreamKind kind) {
  name = CutUtf8(name, kUpstreamNameMax);
  const uint32_t hash = HashText(0, name.data(), name.size());
  const uint32_t row = FindOrAdd(
      {arena_.upstream_index, arena_.capacity.upstream_index}, hash,
      [&](uint32_t other) {
        return Matches(arena_.upstreams[other], hash, name);
      },
      [&] { return MakeUpstream(hash, name, protocol, kind); },
      [&](uint32_t made) {
        GiveBackRow(&arena_.header->upstreams, made);
        if (kind == UpstreamKind::kResolved) {
          arena_.header->resolved.fetch_sub(1, kRelaxed);
        }
      });
  if (row == kNoRow) {
    Add(&arena_.header->overflow);
    return kOtherUpstream;
  }
  if (kind == UpstreamKind::kConfigured) {
    Claim(row);
  }
  return row;
}

uint32_t Store::MakePeer(uint32_t hash, uint32_t upstream,
                         absl::string_view addr, int64_t now_ms) {
  Header& header = *arena_.header;
  const bool chosen = IsChosen(upstream);
  MakeRoom(chosen, now_ms);
  if (chosen && TakeRow(&header.chosen_peers,
                        arena_.capacity.peers / kChosenShare) == kNoRow) {
    return kNoRow;
  }
  uint32_t row = TakeRow(&header.peers, arena_.capacity.peers);
  if (row == kNoRow) {
    row = ReuseRow(now_ms);
  }
  if (row != kNoRow) {
    FillPeer(arena_.peers + row, hash, upstream, addr);
  } else if (chosen) {
    header.chosen_peers.fetch_sub(1, kRelaxed);
  }
  return row;
}

void Store::GiveBackPeer(uint32_t row, uint32_t upstream, int64_t now_ms) {
  PeerRow& peer = arena_.peers[row];
  peer.upstream.store(upstream | kRetired, kRelaxed);
  if (!GiveBackRow(&arena_.header->peers, row)) {
    peer.retired.store(RetiredAt(now_ms), kRelaxed);
  }
  if (IsChosen(upstream)) {
    arena_.header->chosen_peers.fetch_sub(1, kRelaxed);
  }
}

uint32_t Store::MakeUpstream(uint32_t hash, absl::string_view name,
                             Protocol protocol, UpstreamKind kind) {
  Header& header = *arena_.header;
  const bool chosen = kind == UpstreamKind::kResolved;
  if (chosen && TakeRow(&header.resolved,
                        arena_.capacity.upstreams / kChosenShare) == kNoRow) {
    return kNoRow;
  }
  const uint32_t row = TakeRow(&header.upstreams, arena_.capacity.upstreams);
  if (row != kNoRow) {
    FillUpstream(arena_.upstreams + row, hash, name, protocol, kind);
    FillPeer(arena_.peers + arena_.OtherPeer(row), 0, row, kOtherName);
  } else if (chosen) {
    header.resolved.fetch_sub(1, kRelaxed);
  }
  return row;
}

// What a client may have chosen stands in the configuration now.
void Store::Claim(uint32_t upstream) {
  const auto configured = static_cast<uint8_t>(UpstreamKind::kConfigured);
  const uint8_t was =
      arena_.upstreams[upstream].kind.exchange(configured, kRelaxed);
  if (was == static_cast<uint8_t>(UpstreamKind::kResolved)) {
    arena_.header->resolved.fetch_sub(1, kRelaxed);
  }
}

uint32_t Store::FindOrAddPeer(uint32_t upstream, absl::string_view addr,
                              int64_t now_ms) {
  if (upstream == kOtherUpstream) {
    return arena_.OtherPeer(upstream);  // its overflow is counted already
  }
  addr = CutUtf8(addr, kPeerNameMax);
  const uint32_t hash = HashText(upstream, addr.data(), addr.size());
  const uint32_t row = FindOrAdd(
      {arena_.peer_index, arena_.capacity.peer_index}, hash,
      [&](uint32_t other) {
        return Matches(arena_.peers[other], hash, upstream, addr);
      },
      [&] { return MakePeer(hash, upstream, addr, now_ms); },
      [&](uint32_t made) { GiveBackPeer(made, upstream, now_ms); });
  if (row == kNoRow) {
    Add(&arena_.header->overflow);
    return arena_.OtherPeer(upstream);
  }
  return row;
}

void Store::SetProtocol(uint32_t upstream, Protocol protocol) {
  auto unknown = static_cast<uint8_t>(Protocol::kUnknown);
  std::atomic<uint8_t>& stored = arena_.upstreams[upstream].protocol;
  if (stored.load(kRelaxed) == unknown) {
    stored.compare_exchange_strong(unknown, static_cast<uint8_t>(protocol),
                                   kRelaxed);
  }
}

// Hours begin with a minute, so that nobody has to look for them.
void Store::OpenMinute(UpstreamRow* row, int64_t now_ms) {
  const auto totals = [row] { return TotalsOf(*row); };
  OpenSpan(&row->minute, &row->minutes, kMinuteMs, now_ms, totals);
  OpenSpan(&row->hour, &row->hours, kHourMs, now_ms, totals);
  row->seen.store(1, kRelaxed);
}

void Store::OpenMinute(PeerRow* row, int64_t now_ms) {
  OpenSpan(&row->minute, &row->minutes, kMinuteMs, now_ms, [row] {
    return Totals32<2>{Sum(row->shards, &Shard::attempts), Sum(row->causes)};
  });
}

void Store::OpenRecent(UpstreamRow* row, int64_t now_ms) {
  OpenSpan(&row->recent, &row->recents, kRecentMs, now_ms,
           [row] { return TotalsOf(row->causes); });
}

void Store::OpenMinute(Header* header, int64_t now_ms) {
  const auto totals = [header] { return TotalsOf(header->causes); };
  OpenSpan(&header->minute, &header->minutes, kMinuteMs, now_ms, totals);
  OpenSpan(&header->hour, &header->hours, kHourMs, now_ms, totals);
  KeepBehind(now_ms, {&header->start_time, &header->load_time});
}

void Store::AddToUpstream(UpstreamRow* row, int64_t now_ms,
                          const Failure& failure) {
  const auto cause = static_cast<size_t>(failure.cause);
  Header& header = *arena_.header;
  RollMinute(row, now_ms);
  RollMinute(&header, now_ms);
  if (!IsWithin(row->recent, kRecentMs, now_ms)) {
    OpenRecent(row, now_ms);
  }
  Add(&header.causes[cause]);
  Add(&row->causes[cause]);
  Add(&row->errno_classes[static_cast<size_t>(failure.errno_class)]);
  if (failure.response_time >= 0) {
    const auto ms = static_cast<uint64_t>(failure.response_time);
    const size_t bucket = TimeBucket(ms);
    Add(&row->time_buckets[bucket]);
    Add(&row->time_sum, ms);
    Add(&header.time_buckets[cause][bucket]);
    Add(&header.time_sums[cause], ms);
  }
}

void Store::AddToPeer(PeerRow* row, int64_t now_ms, const Failure& failure) {
  RollMinute(row, now_ms);
  Add(&row->causes[static_cast<size_t>(failure.cause)]);
  Add(&row->errno_classes[static_cast<size_t>(failure.errno_class)]);
  if (row->first_failure.load(kRelaxed) == 0) {
    int64_t never = 0;
    row->first_failure.compare_exchange_strong(never, now_ms, kRelaxed);
  }
  row->last_failure.store(now_ms, kRelaxed);
  row->last_cause.store(static_cast<uint8_t>(failure.cause), kRelaxed);
}

uint64_t Store::AddFailedAttempt(uint32_t upstream, uint32_t peer,
                                 uint32_t worker, int64_t now_ms,
                                 const Failure& failure,
                                 absl::Span<const Finding> findings) {
  UpstreamRow& row = arena_.upstreams[upstream];
  AddToUpstream(&row, now_ms, failure);
  if (peer != kNoPeer) {
    PeerRow& peer_row = arena_.peers[peer];
    AddToPeer(&peer_row, now_ms, failure);
    Add(&peer_row.shards[worker % kPeerShards].attempts);
  }
  uint64_t found = 0;
  for (const Finding finding : findings) {
    Add(&row.findings[static_cast<size_t>(finding)]);
    found |= uint64_t{1} << static_cast<size_t>(finding);
  }
  if (IsIdleEnd(failure)) {
    return 0;
  }
  return incidents().AddFailure(
      {.upstream = upstream,
       .peer = peer,
       .cause = failure.cause,
       .findings = found,
       .time_ms = failure.time_ms == 0 ? now_ms : failure.time_ms},
      now_ms);
}

void Store::AddResponse(uint32_t upstream, int code, Origin origin,
                        int64_t now_ms) {
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    if (kResponseCodes[i] == code) {
      UpstreamRow& row = arena_.upstreams[upstream];
      RollMinute(&row, now_ms);
      Add(&row.responses[i][static_cast<size_t>(origin)]);
      return;
    }
  }
}

uint64_t Store::ReserveEvents(uint32_t count) {
  return arena_.header->events.fetch_add(count, kRelaxed) + count;
}

void Store::WriteEvent(uint64_t id, const Failure& failure,
                       const FailureText& text, FailureRows rows,
                       const Evidence* evidence) {
  EventSlot* slot = arena_.events + id % arena_.capacity.events;
  const SlotPeek held = PeekSlot(*slot);
  if (held.id > id) {
    return;
  }
  if (rows.upstream != FailureRows::kNone) {
    incidents().NoteEvent(rows.upstream, id, failure.time_ms);
  }
  // Those that stand for many are told apart by their names only.
  if (rows.upstream <= kNoUpstream) {
    rows.upstream = FailureRows::kNone;
  }
  rows.peer = FailureRows::kNone;  // its row may be another's by and by
  KeepRare(*slot, held);
  const auto serial = static_cast<uint32_t>(
      arena_.header->serials[static_cast<size_t>(failure.cause)].fetch_add(
          1, kRelaxed));
  WriteSlot(slot, id, serial, failure, text, rows, evidence);
}

// The event that another one is about to take the place of, if it is one of
// the last of its cause.
void Store::KeepRare(const EventSlot& slot, const SlotPeek& held) {
  if (held.id == 0 || held.cause >= kMaxCauses) {
    return;
  }
  const auto later = static_cast<uint32_t>(
      arena_.header->serials[held.cause].load(kRelaxed) - held.serial);
  if (later <= kRareEvents) {
    CopySlot(slot, arena_.rare + held.cause * kRareEvents +
                       held.serial % kRareEvents);
  }
}

void Store::AddRescued(uint32_t upstream) {
  arena_.upstreams[upstream].rescued.fetch_add(1, kRelaxed);
}

void Store::AddGrpcStatus(uint32_t upstream, size_t status) {
  Add(&GrpcStatusOf(arena_.upstreams[upstream], status));
}

void Store::NoteLoad(int64_t now_ms) {
  arena_.header->load_time.store(now_ms, kRelaxed);
  arena_.header->generation.fetch_add(1, kRelaxed);
}

bool Store::TakeOverflowWarning(int64_t now_ms) {
  const uint64_t overflow = arena_.header->overflow.load(kRelaxed);
  int64_t last = arena_.header->overflow_warned.load(kRelaxed);
  if (overflow == arena_.header->overflow_told.load(kRelaxed) ||
      (now_ms >= last && now_ms - last < kMinuteMs) ||
      !arena_.header->overflow_warned.compare_exchange_strong(last, now_ms,
                                                              kRelaxed)) {
    return false;
  }
  arena_.header->overflow_told.store(overflow, kRelaxed);
  return true;
}

}  // namespace upstream_502
