// Incidents: opened by the third failure within a minute, fed by those that
// follow.

#include "upstream_502/store/incidents.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "absl/strings/match.h"
#include "relaxed.h"
#include "spell.h"
#include "totals.h"
#include "upstream_502/store/history.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

// Cause and peer of an early failure, with a part of the peer's hash: its row
// may be another's when the credit is taken.
constexpr int kCauseBits = 8;
constexpr int kPeerBits = 32;
constexpr uint32_t kHashMask = (1U << (64 - kCauseBits - kPeerBits)) - 1;

constexpr uint64_t CreditOf(Cause cause, uint32_t peer, uint32_t hash) {
  return uint64_t{hash & kHashMask} << (kCauseBits + kPeerBits) |
         uint64_t{peer} << kCauseBits | (static_cast<uint64_t>(cause) + 1);
}

void Take(const UpstreamRow& row, Tally* tally) {
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    tally->responses[i].store(Sum(row.responses[i]), kRelaxed);
  }
  tally->attempts.store(Sum(row.shards, &Shard::attempts), kRelaxed);
  tally->rescued.store(Low(row.rescued.load(kRelaxed)), kRelaxed);
}

void Copy(const Tally& from, Tally* to) {
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    to->responses[i].store(from.responses[i].load(kRelaxed), kRelaxed);
  }
  to->attempts.store(from.attempts.load(kRelaxed), kRelaxed);
  to->rescued.store(from.rescued.load(kRelaxed), kRelaxed);
}

template <typename T>
void Raise(std::atomic<T>* value, T to) {
  T seen = value->load(kRelaxed);
  while (seen < to && !value->compare_exchange_weak(seen, to, kRelaxed)) {
  }
}

template <typename T>
void Lower(std::atomic<T>* value, T to) {
  T seen = value->load(kRelaxed);
  while (seen > to && !value->compare_exchange_weak(seen, to, kRelaxed)) {
  }
}

void AddOne(Word* word) { word->fetch_add(1, kRelaxed); }

// Of an incident's time line.
size_t SpanAt(int64_t since_start) {
  const auto minute =
      static_cast<uint32_t>(std::max(since_start, int64_t{0}) / kMinuteMs);
  if (minute < kIncidentMinutes) {
    return minute;
  }
  const auto* after = std::upper_bound(kIncidentSpanStarts.begin(),
                                       kIncidentSpanStarts.end(), minute);
  return static_cast<size_t>(after - kIncidentSpanStarts.begin()) - 1;
}

void AddPeer(IncidentSlot* slot, uint32_t peer, uint32_t hash) {
  const uint64_t wanted = uint64_t{hash} << 32 | (peer + 1);
  for (size_t i = 0; i < kIncidentPeers; ++i) {
    const size_t at = (peer + i) % kIncidentPeers;
    uint64_t held = slot->peers[at].load(kRelaxed);
    if (held == wanted ||
        (held == 0 &&
         (slot->peers[at].compare_exchange_strong(held, wanted, kRelaxed) ||
          held == wanted))) {
      AddOne(&slot->peer_failures[at]);
      return;
    }
  }
  AddOne(&slot->other_peers);
}

// The first one that is none yet becomes that event's.
void NoteEarly(EarlyFailure (&early)[2], uint64_t event, int64_t time) {
  for (EarlyFailure& failure : early) {
    uint64_t none = 0;
    if (failure.time.load(kRelaxed) == time &&
        failure.event.compare_exchange_strong(none, event, kRelaxed)) {
      return;
    }
  }
}

void NoteIn(IncidentSlot* slot, uint64_t event) {
  uint64_t none = 0;
  if (!slot->first_event.compare_exchange_strong(none, event, kRelaxed)) {
    Lower(&slot->first_event, event);
  }
  Raise(&slot->last_event, event);
}

void KeepName(absl::string_view name, IncidentSlot* slot) {
  const absl::string_view kept = CutUtf8(name, kIncidentNameMax);
  kept.copy(slot->name, kept.size());
  const auto length = static_cast<uint8_t>(kept.size());
  slot->name_length.store(
      kept.size() < name.size() ? length | kNameCut : length, kRelaxed);
}

// Everything as if nothing had failed yet.
void Begin(IncidentSlot* slot) {
  for (Word& cause : slot->causes) {
    cause.store(0, kRelaxed);
  }
  for (Word& finding : slot->findings) {
    finding.store(0, kRelaxed);
  }
  for (Word& span : slot->spans) {
    span.store(0, kRelaxed);
  }
  for (Counter& peer : slot->peers) {
    peer.store(0, kRelaxed);
  }
  for (Word& failures : slot->peer_failures) {
    failures.store(0, kRelaxed);
  }
  slot->other_peers.store(0, kRelaxed);
  slot->first_event.store(0, kRelaxed);
  slot->last_event.store(0, kRelaxed);
  slot->told.store(0, kRelaxed);
}

}  // namespace

absl::string_view NameOf(const Arena& arena, const IncidentSlot& slot) {
  const uint8_t length = slot.name_length.load(kRelaxed);
  const absl::string_view kept(
      slot.name, std::min<size_t>(length & (kNameCut - 1U), kIncidentNameMax));
  const uint32_t upstream = slot.upstream.load(kRelaxed);
  if ((length & kNameCut) != 0 && upstream < arena.capacity.upstreams) {
    const UpstreamRow& row = arena.upstreams[upstream];
    const absl::string_view whole = NameOf(row);
    return row.hash.load(kRelaxed) == slot.hash.load(kRelaxed) &&
                   absl::StartsWith(whole, kept)
               ? whole
               : kept;
  }
  return kept;
}

bool IsOver(int64_t end, int64_t now_ms) {
  return LiesAhead(end, now_ms) || now_ms - end >= kIncidentQuietMs;
}

// The incident that `spell` names, while it is not over.
IncidentSlot* Incidents::Running(uint64_t spell, uint32_t upstream,
                                 int64_t now_ms) const {
  if (!IsIncident(spell)) {
    return nullptr;
  }
  IncidentSlot& slot = SlotOf(IdOf(spell));
  return slot.id.load(std::memory_order_acquire) == IdOf(spell) &&
                 slot.upstream.load(kRelaxed) == upstream &&
                 !IsOver(slot.end.load(kRelaxed), now_ms)
             ? &slot
             : nullptr;
}

uint64_t Incidents::AddFailure(const IncidentFailure& failure, int64_t now_ms) {
  UpstreamRow& row = arena_.upstreams[failure.upstream];
  uint64_t spell = row.spell.load();
  for (;;) {
    IncidentSlot* slot = Running(spell, failure.upstream, now_ms);
    if (slot != nullptr) {
      Feed(slot, failure);
      return 0;
    }
    int64_t first;
    const uint64_t next = NextSpell(spell, failure.time_ms, &first);
    const uint64_t id = first == 0 ? 0 : TakeId(now_ms);
    if (id == 0) {
      if (row.spell.compare_exchange_strong(spell, next)) {
        KeepEarly(&row, next, failure);
        return 0;
      }
      continue;
    }
    slot = Prepare(failure, id, first, row.early[EarlyOf(next)], now_ms);
    if (row.spell.compare_exchange_strong(spell, kIncident | id)) {
      Credit(slot, &row.early[0]);
      Credit(slot, &row.early[1]);
      Feed(slot, failure);
      AddOne(&row.incidents);
      return id;
    }
    slot->id.store(0, kRelaxed);  // somebody else was faster
  }
}

// The id of a new incident: the next one whose slot has none, or one that is
// over, but not that of the last one, which may be being made. Else the one
// that has been silent for longest makes room, if it has been for a minute; 0
// where each of them goes on.
uint64_t Incidents::TakeId(int64_t now_ms) {
  Counter& last = arena_.header->incidents;
  for (;;) {
    uint64_t held = last.load(kRelaxed);
    uint64_t taken = 0;
    int64_t silent = now_ms - kMinuteMs;
    const uint64_t end_id = held + std::max(arena_.capacity.incidents, 2U);
    for (uint64_t id = held + 1; id < end_id; ++id) {
      const IncidentSlot& slot = SlotOf(id);
      const int64_t end =
          slot.id.load(kRelaxed) == 0 ? 0 : slot.end.load(kRelaxed);
      if (IsOver(end, now_ms)) {
        taken = id;
        break;
      }
      if (end < silent) {
        taken = id;
        silent = end;
      }
    }
    if (taken == 0 || last.compare_exchange_strong(held, taken, kRelaxed)) {
      return taken;
    }
  }
}

// Makes the incident `id` that nobody feeds yet. `early` is what was kept of
// its first failure.
IncidentSlot* Incidents::Prepare(const IncidentFailure& failure, uint64_t id,
                                 int64_t first, const EarlyFailure& early,
                                 int64_t now_ms) {
  const UpstreamRow& row = arena_.upstreams[failure.upstream];
  IncidentSlot* slot = &SlotOf(id);
  slot->id.store(0, kRelaxed);
  std::atomic_thread_fence(std::memory_order_release);
  Begin(slot);
  slot->start.store(first, kRelaxed);
  slot->end.store(failure.time_ms, kRelaxed);
  slot->generation.store(arena_.header->generation.load(kRelaxed), kRelaxed);
  slot->upstream.store(failure.upstream, kRelaxed);
  slot->hash.store(row.hash.load(kRelaxed), kRelaxed);
  slot->protocol.store(row.protocol.load(kRelaxed), kRelaxed);
  KeepName(NameOf(row), slot);
  slot->since_reload.store(CameWithReload(row, first) ? 1 : 0, kRelaxed);
  // Somebody may be about to write it.
  if (early.credit.load() != 0 &&
      now_ms - early.time.load(kRelaxed) <= kMinuteMs + kClocksDifferMs) {
    Copy(early.before, &slot->before);
  } else {
    Take(row, &slot->before);
  }
  Copy(slot->before, &slot->after);
  slot->id.store(id, std::memory_order_release);
  return slot;
}

// Whether nothing failed within the hour before this configuration, though it
// was asked, and failures came with it.
bool Incidents::CameWithReload(const UpstreamRow& row, int64_t first) const {
  const int64_t load = arena_.header->load_time.load(kRelaxed);
  if (load <= arena_.header->start_time.load(kRelaxed) || first < load ||
      first - load > kReloadMs) {
    return false;
  }
  const auto minute = [&row](int64_t number) -> const Word(&)[3] {
    return row.minutes.at[static_cast<size_t>(number) % kHistoryMinutes];
  };
  const Word(&oldest)[3] = minute(row.minute.load(kRelaxed) / kMinuteMs + 1);
  const Word(&then)[3] = minute(first / kMinuteMs);
  return Since(oldest[0].load(kRelaxed), then[0].load(kRelaxed)) > 0 &&
         Since(oldest[1].load(kRelaxed), Sum(row.causes)) <= 3;
}

void Incidents::Feed(IncidentSlot* slot, const IncidentFailure& failure) const {
  Lower(&slot->start, failure.time_ms);
  Raise(&slot->end, failure.time_ms);
  AddOne(&slot->causes[static_cast<size_t>(failure.cause)]);
  AddOne(&slot->spans[SpanAt(failure.time_ms - slot->start.load(kRelaxed))]);
  for (uint64_t left = failure.findings; left != 0; left &= left - 1) {
    AddOne(&slot->findings[std::countr_zero(left)]);
  }
  if (failure.peer < arena_.capacity.peers) {
    AddPeer(slot, failure.peer, arena_.peers[failure.peer].hash.load(kRelaxed));
  } else if (failure.peer != kNoPeer) {
    AddOne(&slot->other_peers);
  }
}

// The row of the peer that `credit` is of; that of nobody where it is another's
// by now.
uint32_t Incidents::KnownPeer(uint64_t credit) const {
  const auto row = static_cast<uint32_t>(credit >> kCauseBits);
  if (row >= arena_.capacity.peers ||
      (arena_.peers[row].hash.load(kRelaxed) & kHashMask) ==
          credit >> (kCauseBits + kPeerBits)) {
    return row;
  }
  return arena_.OtherPeer(kOtherUpstream);
}

// An early failure becomes a part of the incident, by whoever takes the credit.
void Incidents::Credit(IncidentSlot* slot, EarlyFailure* early) const {
  const uint64_t credit = early->credit.exchange(0);
  if ((credit & 0xFF) == 0 || (credit & 0xFF) > kMaxCauses) {
    return;
  }
  Feed(slot, {.upstream = slot->upstream.load(kRelaxed),
              .peer = KnownPeer(credit),
              .cause = static_cast<Cause>((credit & 0xFF) - 1),
              .findings = early->findings.load(kRelaxed),
              .time_ms = early->time.load(kRelaxed)});
  if (const uint64_t event = early->event.load(kRelaxed); event != 0) {
    NoteIn(slot, event);
  }
}

void Incidents::KeepEarly(UpstreamRow* row, uint64_t spell,
                          const IncidentFailure& failure) {
  EarlyFailure& early = row->early[EarlyOf(spell)];
  early.credit.store(0);
  early.findings.store(failure.findings, kRelaxed);
  early.event.store(0, kRelaxed);
  early.time.store(failure.time_ms, kRelaxed);
  Take(*row, &early.before);
  const uint32_t hash = failure.peer < arena_.capacity.peers
                            ? arena_.peers[failure.peer].hash.load(kRelaxed)
                            : 0;
  early.credit.store(CreditOf(failure.cause, failure.peer, hash));
  // An incident that opened meanwhile has not seen it.
  const uint64_t now = row->spell.load();
  if (IsIncident(now) && SlotOf(IdOf(now)).id.load() == IdOf(now)) {
    Credit(&SlotOf(IdOf(now)), &early);
  }
}

void Incidents::NoteCounts(uint32_t upstream, int64_t now_ms) {
  const UpstreamRow& row = arena_.upstreams[upstream];
  IncidentSlot* slot = Running(row.spell.load(kRelaxed), upstream, now_ms);
  if (slot != nullptr) {
    Take(row, &slot->after);
  }
}

void Incidents::NoteEvent(uint32_t upstream, uint64_t event, int64_t time_ms) {
  UpstreamRow& row = arena_.upstreams[upstream];
  const uint64_t spell = row.spell.load(kRelaxed);
  if (!IsIncident(spell)) {
    NoteEarly(row.early, event, time_ms);
    return;
  }
  IncidentSlot& slot = SlotOf(IdOf(spell));
  if (slot.id.load(std::memory_order_acquire) == IdOf(spell) &&
      slot.upstream.load(kRelaxed) == upstream &&
      time_ms >= slot.start.load(kRelaxed) &&
      time_ms <= slot.end.load(kRelaxed)) {
    NoteIn(&slot, event);
  }
}

uint64_t Incidents::Find(uint32_t upstream, int64_t time_ms,
                         int64_t now_ms) const {
  const uint64_t spell = arena_.upstreams[upstream].spell.load(kRelaxed);
  const IncidentSlot* slot = Running(spell, upstream, now_ms);
  return slot != nullptr && time_ms >= slot->start.load(kRelaxed) ? IdOf(spell)
                                                                  : 0;
}

Incidents::Told Incidents::Describe(const IncidentSlot& slot,
                                    uint64_t id) const {
  uint64_t failures = 0;
  for (const Word& cause : slot.causes) {
    failures += cause.load(kRelaxed);
  }
  return {.id = id,
          .upstream = NameOf(arena_, slot),
          .start = slot.start.load(kRelaxed),
          .end = slot.end.load(kRelaxed),
          .failures = failures};
}

Incidents::Told Incidents::TellOpened(uint64_t id) {
  IncidentSlot& slot = SlotOf(id);
  slot.told.store(1, kRelaxed);
  return Describe(slot, id);
}

bool Incidents::TellOver(int64_t now_ms, Told* told) {
  for (uint32_t i = 0; i < arena_.capacity.incidents; ++i) {
    IncidentSlot& slot = arena_.incidents[i];
    const uint64_t id = slot.id.load(std::memory_order_acquire);
    uint8_t opened = 1;
    if (id > arena_.header->incidents_floor.load(kRelaxed) &&
        slot.told.load(kRelaxed) == opened &&
        IsOver(slot.end.load(kRelaxed), now_ms) &&
        slot.told.compare_exchange_strong(opened, 2, kRelaxed)) {
      *told = Describe(slot, id);
      return true;
    }
  }
  return false;
}

}  // namespace upstream_502
