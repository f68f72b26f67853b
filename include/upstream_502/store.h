// The statistics in shared memory: rows found by content without a lock,
// counters added to with relaxed atomics, nothing ever waited for. A process
// killed at any instruction leaves everything usable.
//
//   Store store = Store::Create(memory, size, 1024, now_ms);
//   uint32_t upstream = store.FindOrAddUpstream("backend", Protocol::kHttp);
//   uint32_t peer = store.FindOrAddPeer(upstream, "127.0.0.1:8080");
//   store.AddRequest(upstream, worker, now_ms, 1);
//   store.AddAttempt(peer, worker, now_ms, /*success=*/true);

#ifndef UPSTREAM_502_STORE_H_
#define UPSTREAM_502_STORE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "upstream_502/event.h"
#include "upstream_502/event_ring.h"
#include "upstream_502/layout.h"
#include "upstream_502/text.h"

namespace upstream_502 {

inline constexpr uint32_t kOtherUpstream = 0;
inline constexpr uint32_t kNoUpstream = 1;
inline constexpr uint32_t kNoPeer = UINT32_MAX;

// What a failure adds to the counters.
struct Failure {
  Cause cause = Cause::kUnknown;
  ErrnoClass errno_class = ErrnoClass::kNone;
  int64_t time_ms = 0;           // Unix time: the present
  int64_t time_to_failure = -1;  // ms since the attempt began; -1: no attempt
};

// Bytes of the memory that each row takes, its places in the index and an
// upstream's "(other)" peer included; `fixed` does not depend on the size.
struct RowBytes {
  size_t fixed = 0;
  size_t upstream = 0;
  size_t peer = 0;
  size_t event = 0;
};

// A view of the memory; cheap to copy. All methods may be called from any
// number of processes at once, but Create only before the memory is shared.
class Store {
 public:
  Store() = default;

  // The smallest `size` that Create accepts for so many events, at least 1.
  static size_t MinimumSize(uint32_t events);

  // Lays the store out in `memory` (aligned to a page; its old content does
  // not matter) and returns a view of it. `size` must be MinimumSize at least.
  static Store Create(void* memory, size_t size, uint32_t events,
                      int64_t now_ms);

  // A view of what an earlier process laid out in `memory`; nothing unless it
  // has this very layout, size and number of events, and every index and
  // length in it is within bounds. Other processes may be at work in it.
  static absl::optional<Store> Attach(void* memory, size_t size,
                                      uint32_t events);

  explicit operator bool() const { return header_ != nullptr; }

  // The row of this upstream, kOtherUpstream when the table is full (each
  // time counted as overflow). Names longer than kUpstreamNameMax are cut.
  uint32_t FindOrAddUpstream(absl::string_view name, Protocol protocol);

  // The row of this peer of `upstream`, its "(other)" row when the table is
  // full.
  uint32_t FindOrAddPeer(uint32_t upstream, absl::string_view addr);

  // What is spoken with `upstream`; the first to say so is heard.
  void SetProtocol(uint32_t upstream, Protocol protocol);
  // Whether `peer` is an "(other)" row.
  bool IsOther(uint32_t peer) const { return peer >= capacity_.peers; }

  // `worker` chooses the shard: any number.
  void AddRequest(uint32_t upstream, uint32_t worker, int64_t now_ms,
                  uint32_t attempts);
  void AddAttempt(uint32_t peer, uint32_t worker, int64_t now_ms, bool success);
  // Whether `peer`, which FindOrAddPeer has returned, or kNoPeer, is the row of
  // `addr` in `upstream`. False, too, for one of less than eight bytes.
  bool IsPeer(uint32_t peer, uint32_t upstream, const char* addr,
              size_t length) const;
  // A request with one attempt, which succeeded, if the minutes of both rows
  // are running; else false, and nothing was added.
  bool AddSuccess(uint32_t upstream, uint32_t peer, uint32_t worker,
                  int64_t now_ms);
  // Adds to the attempts of `peer`, too; that may be kNoPeer.
  void AddFailedAttempt(uint32_t upstream, uint32_t peer, uint32_t worker,
                        const Failure& failure);
  void AddRescued(uint32_t upstream);
  // `code` is one of kResponseCodes, others are not counted.
  void AddResponse(uint32_t upstream, int code, Origin origin, int64_t now_ms);

  // Hands out the next event id, from 1; write it later or never.
  uint64_t ReserveEvent() { return ReserveEvents(1); }
  // So many at once: the last of them.
  uint64_t ReserveEvents(uint32_t count);
  // Stores the event in the ring, unless a newer one has its slot. The one it
  // takes the place of goes to its cause's ring, if it is one of the last of
  // its cause. Text is cut to what a slot holds. `rows`, where given, are what
  // FindOrAdd... has returned.
  void WriteEvent(uint64_t id, const EventFacts& facts, const EventText& text,
                  EventRows rows = {});

  // Notes that a configuration was loaded.
  void NoteLoad(int64_t now_ms);
  // True at most once a minute while the overflow counter grows.
  bool TakeOverflowWarning(int64_t now_ms);
  // Sets all counters to zero and forgets the events; ids go on.
  void Reset(int64_t now_ms);

  // For Copy.
  const Header& header() const { return *header_; }
  RowBytes BytesPerRow() const;
  const UpstreamRow& upstream(uint32_t row) const { return upstreams_[row]; }
  const PeerRow& peer(uint32_t row) const { return peers_[row]; }
  const EventSlot* events() const { return events_; }
  const EventSlot* rare_events() const { return rare_; }
  // As it is kept in the row of a peer that FindOrAddPeer has returned.
  absl::string_view PeerName(uint32_t row) const {
    return {peers_[row].addr, peers_[row].addr_length};
  }
  // Rows in use; a row is whole only once its index names it.
  uint32_t upstream_count() const;
  uint32_t peer_count() const;
  // The row that slot `i` of an index names, or kNoPeer (an empty slot).
  uint32_t IndexedUpstream(uint32_t i) const;
  uint32_t IndexedPeer(uint32_t i) const;
  uint32_t OtherPeer(uint32_t upstream) const;

 private:
  explicit Store(Header* header);
  bool IsWithinBounds() const;
  uint32_t SearchUpstream(absl::string_view name, Protocol protocol);
  uint32_t SearchPeer(uint32_t upstream, absl::string_view addr);

  // Begin the slot that `now_ms` falls into.
  [[gnu::cold]] static void OpenMinute(UpstreamRow* row, int64_t now_ms);
  [[gnu::cold]] static void OpenMinute(PeerRow* row, int64_t now_ms);
  [[gnu::cold]] static void OpenMinute(Header* header, int64_t now_ms);
  [[gnu::cold]] static void OpenRecent(UpstreamRow* row, int64_t now_ms);
  template <typename Row>
  static void RollMinute(Row* row, int64_t now_ms);
  void AddToUpstream(UpstreamRow* row, const Failure& failure);
  static void AddToPeer(PeerRow* row, const Failure& failure);

  Header* header_ = nullptr;
  Capacity capacity_{};
  Word* upstream_index_ = nullptr;
  Word* peer_index_ = nullptr;
  UpstreamRow* upstreams_ = nullptr;
  PeerRow* peers_ = nullptr;
  EventSlot* events_ = nullptr;
  EventSlot* rare_ = nullptr;
};

// What every request asks: a subtraction rather than a division.
inline bool IsWithin(const Time& running, int64_t width_ms, int64_t now_ms) {
  const int64_t elapsed = now_ms - running.load(std::memory_order_relaxed);
  return static_cast<uint64_t>(elapsed) < static_cast<uint64_t>(width_ms);
}

template <typename Row>
void Store::RollMinute(Row* row, int64_t now_ms) {
  if (!IsWithin(row->minute, kMinuteMs, now_ms)) [[unlikely]] {
    OpenMinute(row, now_ms);
  }
}

inline void Add(Counter* counter, uint64_t value = 1) {
  counter->fetch_add(value, std::memory_order_relaxed);
}

inline void Store::AddRequest(uint32_t upstream, uint32_t worker,
                              int64_t now_ms, uint32_t attempts) {
  UpstreamRow& row = upstreams_[upstream];
  RollMinute(&row, now_ms);
  Shard& shard = row.shards[worker % kUpstreamShards];
  Add(&shard.requests);
  Add(&shard.attempts, attempts);
}

inline void Store::AddAttempt(uint32_t peer, uint32_t worker, int64_t now_ms,
                              bool success) {
  PeerRow& row = peers_[peer];
  RollMinute(&row, now_ms);
  Shard& shard = row.shards[worker % kPeerShards];
  Add(&shard.attempts);
  if (success) {
    shard.last_success.store(now_ms, std::memory_order_relaxed);
  }
}

// Most failures are quick.
inline size_t TimeBucket(uint64_t ms) {
  size_t bucket = 0;
  while (bucket < kTimeBuckets && ms > kTimeBounds[bucket]) {
    ++bucket;
  }
  return bucket;
}

inline void Store::AddToUpstream(UpstreamRow* row, const Failure& failure) {
  const auto cause = static_cast<size_t>(failure.cause);
  const int64_t now_ms = failure.time_ms;
  Header& header = *header_;
  RollMinute(row, now_ms);
  RollMinute(&header, now_ms);
  if (!IsWithin(row->recent, kRecentMs, now_ms)) [[unlikely]] {
    OpenRecent(row, now_ms);
  }
  Add(&header.causes[cause]);
  Add(&row->causes[cause]);
  Add(&row->errno_classes[static_cast<size_t>(failure.errno_class)]);
  if (failure.time_to_failure >= 0) {
    const auto ms = static_cast<uint64_t>(failure.time_to_failure);
    const size_t bucket = TimeBucket(ms);
    Add(&row->time_buckets[bucket]);
    Add(&row->time_sum, ms);
    Add(&header.time_buckets[cause][bucket]);
    Add(&header.time_sums[cause], ms);
  }
}

inline void Store::AddToPeer(PeerRow* row, const Failure& failure) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  RollMinute(row, failure.time_ms);
  Add(&row->causes[static_cast<size_t>(failure.cause)]);
  Add(&row->errno_classes[static_cast<size_t>(failure.errno_class)]);
  if (row->first_failure.load(kRelaxed) == 0) [[unlikely]] {
    int64_t never = 0;
    row->first_failure.compare_exchange_strong(never, failure.time_ms,
                                               kRelaxed);
  }
  row->last_failure.store(failure.time_ms, kRelaxed);
  row->last_cause.store(static_cast<uint8_t>(failure.cause), kRelaxed);
}

inline void Store::AddFailedAttempt(uint32_t upstream, uint32_t peer,
                                    uint32_t worker, const Failure& failure) {
  AddToUpstream(&upstreams_[upstream], failure);
  if (peer != kNoPeer) {
    PeerRow& row = peers_[peer];
    AddToPeer(&row, failure);
    Add(&row.shards[worker % kPeerShards].attempts);
  }
}

inline void Store::AddResponse(uint32_t upstream, int code, Origin origin,
                               int64_t now_ms) {
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    if (kResponseCodes[i] == code) {
      UpstreamRow& row = upstreams_[upstream];
      RollMinute(&row, now_ms);
      Add(&row.responses[i][static_cast<size_t>(origin)]);
      return;
    }
  }
}

inline uint64_t Store::ReserveEvents(uint32_t count) {
  return header_->events.fetch_add(count, std::memory_order_relaxed) + count;
}

inline void Store::WriteEvent(uint64_t id, const EventFacts& facts,
                              const EventText& text, EventRows rows) {
  EventSlot* slot = events_ + id % capacity_.events;
  const SlotPeek held = PeekSlot(*slot);
  if (held.id > id) {
    return;
  }
  // Those that stand for many are told apart by their names only.
  if (rows.upstream <= kNoUpstream) {
    rows.upstream = EventRows::kNone;
  }
  if (rows.peer >= capacity_.peers) {
    rows.peer = EventRows::kNone;
  }
  if (held.id != 0 && held.cause < kMaxCauses) {
    const auto later = static_cast<uint32_t>(
        header_->serials[held.cause].load(std::memory_order_relaxed) -
        held.serial);
    if (later <= kRareEvents) {
      CopySlot(*slot,
               rare_ + held.cause * kRareEvents + held.serial % kRareEvents);
    }
  }
  const auto serial = static_cast<uint32_t>(
      header_->serials[static_cast<size_t>(facts.cause)].fetch_add(
          1, std::memory_order_relaxed));
  WriteSlot(slot, id, serial, facts, text, rows);
}

// These two are inline: most requests pay for them and for nothing else.
inline bool Store::IsPeer(uint32_t peer, uint32_t upstream, const char* addr,
                          size_t length) const {
  if (peer >= capacity_.peers || length < sizeof(uint64_t)) {
    return false;
  }
  const PeerRow& row = peers_[peer];
  return row.upstream == upstream && row.addr_length == length &&
         SameText(row.addr, addr, length);
}

inline bool Store::AddSuccess(uint32_t upstream, uint32_t peer, uint32_t worker,
                              int64_t now_ms) {
  UpstreamRow& upstream_row = upstreams_[upstream];
  PeerRow& peer_row = peers_[peer];
  if (!IsWithin(peer_row.minute, kMinuteMs, now_ms) ||
      !IsWithin(upstream_row.minute, kMinuteMs, now_ms)) {
    return false;
  }
  Shard& attempts = peer_row.shards[worker % kPeerShards];
  Add(&attempts.attempts);
  attempts.last_success.store(now_ms, std::memory_order_relaxed);
  Shard& requests = upstream_row.shards[worker % kUpstreamShards];
  Add(&requests.requests);
  Add(&requests.attempts);
  return true;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_H_
