// Counting: minutes are opened as they come.

#include "upstream_502/store/store.h"

#include <algorithm>

#include "relaxed.h"
#include "totals.h"
#include "upstream_502/store/history.h"

namespace upstream_502 {
namespace {

// Most failures are quick.
size_t TimeBucket(uint64_t ms) {
  size_t bucket = 0;
  while (bucket < kTimeBuckets && ms > kTimeBounds[bucket]) {
    ++bucket;
  }
  return bucket;
}

}  // namespace

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
    return Totals32<3>{Sum(row->shards, &Shard::attempts), Sum(row->causes),
                       Low(row->idle_ends.load(kRelaxed))};
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
  if (IsIdleEnd(failure)) {
    Add(&row->idle_ends);
  }
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
  LongName long_name;
  if (text.upstream.size() > kNameLimits[0] && rows.upstream > kNoUpstream &&
      rows.upstream < arena_.capacity.upstreams) {
    long_name = {rows.upstream, Remember(rows.upstream).hash};
  }
  KeepRare(*slot, held);
  const auto serial = static_cast<uint32_t>(
      arena_.header->serials[static_cast<size_t>(failure.cause)].fetch_add(
          1, kRelaxed));
  WriteSlot(slot, id, serial, failure, text, long_name, evidence);
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

uint64_t Store::NoteLoad(int64_t now_ms) {
  arena_.header->load_time.store(now_ms, kRelaxed);
  arena_.header->no_upstream_until.store(0);  // rows may go that it names not
  return arena_.header->generation.fetch_add(1) + 1;
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
