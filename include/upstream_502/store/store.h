// The statistics in shared memory: rows found by content without a lock,
// counters added to with relaxed atomics, nothing ever waited for. A process
// killed at any instruction leaves everything usable.
//
//   Store store = Store::Create(memory, size, {.events = 1024}, now_ms);
//   uint32_t upstream = store.FindOrAddUpstream("backend", Protocol::kHttp);
//   uint32_t peer = store.FindOrAddPeer(upstream, "127.0.0.1:8080");
//   store.AddRequest(upstream, worker, now_ms, 1);
//   store.AddAttempt(peer, worker, now_ms, /*success=*/true);

#ifndef UPSTREAM_502_STORE_STORE_H_
#define UPSTREAM_502_STORE_STORE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "upstream_502/store/arena.h"
#include "upstream_502/store/incidents.h"
#include "upstream_502/store/slot.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"
#include "upstream_502/words/finding.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {

// A view of the memory; cheap to copy. All methods may be called from any
// number of processes at once, but Create only before the memory is shared.
class Store {
 public:
  Store() = default;
  explicit Store(const Arena& arena) : arena_(arena) {}

  // See Arena.
  static Store Create(void* memory, size_t size, const Rings& rings,
                      int64_t now_ms) {
    return Store(Arena::Create(memory, size, rings, now_ms));
  }
  static absl::optional<Store> Attach(void* memory, size_t size,
                                      const Rings& rings) {
    const absl::optional<Arena> arena = Arena::Attach(memory, size, rings);
    return arena ? absl::make_optional(Store(*arena)) : absl::nullopt;
  }

  explicit operator bool() const { return arena_.header != nullptr; }
  const Arena& arena() const { return arena_; }

  // The row of this upstream, kOtherUpstream when the table, or what resolved
  // ones may have of it, is full (each time counted as overflow). Names longer
  // than kUpstreamNameMax are cut. What is configured stays so. As with peers,
  // its row may be another's by and by: that of a configured one when no
  // writer's configuration names it, see writers.h, others when the process
  // comes back to its event loop.
  uint32_t FindOrAddUpstream(absl::string_view name, Protocol protocol,
                             UpstreamKind kind = UpstreamKind::kConfigured,
                             int64_t now_ms = 0);
  // The row that this configured upstream has already: it stays. Else
  // kOtherUpstream.
  uint32_t FindUpstream(absl::string_view name, int64_t now_ms);
  // What a failure keeps of its upstream's row, and that row when it is the
  // same upstream's yet; else kOtherUpstream, where its counts are then.
  FailureRows Remember(uint32_t upstream) const {
    return {upstream,
            arena_.upstreams[upstream].hash.load(std::memory_order_relaxed)};
  }
  uint32_t RowOf(const FailureRows& rows) const {
    const UpstreamRow& row = arena_.upstreams[rows.upstream];
    // In this order: a row is filled for another while it is retired.
    return !IsRetired(row) &&
                   row.hash.load(std::memory_order_relaxed) == rows.hash
               ? rows.upstream
               : kOtherUpstream;
  }
  // Whether it has a row of its own, and is found there.
  bool HasRow(uint32_t upstream) const {
    return upstream != kOtherUpstream && !IsRetired(arena_.upstreams[upstream]);
  }
  bool HasRoomForUpstream();
  // Makes room ahead of need where there is little: in the event loop.
  void KeepReserve(int64_t now_ms) { MakeUpstreamRoom(false, now_ms); }

  // The row of this peer of `upstream`, its "(other)" row when the table is
  // full and nothing can make room at `now_ms`. To be counted with before the
  // process comes back to its event loop: later it may be another peer's.
  uint32_t FindOrAddPeer(uint32_t upstream, absl::string_view addr,
                         int64_t now_ms = 0);
  // Rows that nobody used for so many ms make room for others, the longest
  // unused first; 0: never. What they counted goes to "(other)".
  void SetInactive(int64_t ms) {
    arena_.header->inactive.store(ms, std::memory_order_relaxed);
  }

  // What is spoken with `upstream`; the first to say so is heard.
  void SetProtocol(uint32_t upstream, Protocol protocol);
  // Whether `peer` is an "(other)" row.
  bool IsOther(uint32_t peer) const { return peer >= arena_.capacity.peers; }

  // `worker` chooses the shard: any number.
  void AddRequest(uint32_t upstream, uint32_t worker, int64_t now_ms,
                  uint32_t attempts);
  void AddAttempt(uint32_t peer, uint32_t worker, int64_t now_ms, bool success);
  // A request that took one attempt, which went well: both at once. False, and
  // nothing is counted, where a minute must be begun first: they do that.
  bool AddSuccess(uint32_t upstream, uint32_t peer, uint32_t worker,
                  int64_t now_ms);
  // Whether `peer`, which FindOrAddPeer has returned, or 0, is the row of
  // `addr` in `upstream`. False, too, for one of less than eight bytes.
  bool IsPeer(uint32_t peer, uint32_t upstream, const char* addr,
              size_t length) const;
  // Adds to the attempts of `peer`, too; that may be kNoPeer. It is counted
  // now, whenever it failed. `findings` are there where the kernel was asked.
  // The id of the incident that opens with it; mostly 0.
  uint64_t AddFailedAttempt(uint32_t upstream, uint32_t peer, uint32_t worker,
                            int64_t now_ms, const Failure& failure,
                            absl::Span<const Finding> findings = {});
  void AddRescued(uint32_t upstream);
  // Of one response; `status` is 1 to kGrpcStatusCount.
  void AddGrpcStatus(uint32_t upstream, size_t status);
  // `code` is one of kResponseCodes, others are not counted.
  void AddResponse(uint32_t upstream, int code, Origin origin, int64_t now_ms);

  Incidents incidents() const { return Incidents(arena_); }

  // Hands out the next `count` event ids, from 1, and returns the last of them;
  // write them later or never.
  uint64_t ReserveEvents(uint32_t count);
  // Stores the event in the ring, unless a newer one has its slot. The one it
  // takes the place of goes to its cause's ring, if it is one of the last of
  // its cause. Text is cut to what a slot holds. `rows`, where given, are what
  // FindOrAdd... has returned. `evidence` is nullptr where the kernel was not
  // asked.
  void WriteEvent(uint64_t id, const Failure& failure, const FailureText& text,
                  FailureRows rows = {}, const Evidence* evidence = nullptr);

  // Notes that a configuration was loaded; its number, from 1.
  uint64_t NoteLoad(int64_t now_ms);
  // True at most once a minute while the overflow counter grows.
  bool TakeOverflowWarning(int64_t now_ms);
  // See Arena.
  void Reset(int64_t now_ms) { arena_.Reset(now_ms); }

 private:
  uint32_t MakeUpstream(uint32_t hash, absl::string_view name,
                        Protocol protocol, UpstreamKind kind, int64_t now_ms);
  void GiveBackUpstream(uint32_t row, UpstreamKind kind);
  uint32_t MakePeer(uint32_t hash, uint32_t upstream, absl::string_view addr,
                    int64_t now_ms);
  void GiveBackPeer(uint32_t row, uint32_t upstream);
  // Of evict.cc.
  void MakeRoom(bool chosen, int64_t now_ms);
  uint32_t FreeRows(bool* waits) const;
  void FinishPeers();
  bool Retire(uint32_t slot, uint32_t row);
  void RetireStray(uint32_t row);
  uint32_t ReuseRow(int64_t now_ms);
  // Of evict_upstreams.cc.
  void MakeUpstreamRoom(bool chosen, int64_t now_ms);
  bool IsNamed(const UpstreamRow& row) const;
  bool RetireUpstream(uint32_t row);
  void FinishUpstreams(const std::vector<uint32_t>& rows);
  void RetirePeersOfRetired();
  void Rehome(uint32_t row);
  bool IsFree(const UpstreamRow& row, uint32_t passed) const;
  uint32_t ReuseUpstream(int64_t now_ms);
  void MoveUpstream(uint32_t row, int64_t now_ms);
  static void EmptyUpstream(UpstreamRow* from, UpstreamRow* to, int64_t now_ms);
  void Claim(uint32_t upstream, int64_t now_ms);
  // Whether a client may have chosen the peers of `upstream`.
  bool IsChosen(uint32_t upstream) const {
    return KindOf(arena_.upstreams[upstream]) != UpstreamKind::kConfigured;
  }
  // Begin the slot that `now_ms` falls into.
  [[gnu::cold]] static void OpenMinute(UpstreamRow* row, int64_t now_ms);
  [[gnu::cold]] static void OpenMinute(PeerRow* row, int64_t now_ms);
  [[gnu::cold]] static void OpenMinute(Header* header, int64_t now_ms);
  [[gnu::cold]] static void OpenRecent(UpstreamRow* row, int64_t now_ms);
  template <typename Row>
  static void RollMinute(Row* row, int64_t now_ms);
  void AddToUpstream(UpstreamRow* row, int64_t now_ms, const Failure& failure);
  static void AddToPeer(PeerRow* row, int64_t now_ms, const Failure& failure);
  void KeepRare(const EventSlot& slot, const SlotPeek& held);

  Arena arena_;
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
  UpstreamRow& row = arena_.upstreams[upstream];
  RollMinute(&row, now_ms);
  Shard& shard = row.shards[worker % kUpstreamShards];
  Add(&shard.requests);
  Add(&shard.attempts, attempts);
}

inline void Store::AddAttempt(uint32_t peer, uint32_t worker, int64_t now_ms,
                              bool success) {
  PeerRow& row = arena_.peers[peer];
  RollMinute(&row, now_ms);
  Shard& shard = row.shards[worker % kPeerShards];
  Add(&shard.attempts);
  if (success) {
    shard.last_success.store(now_ms, std::memory_order_relaxed);
  }
}

inline bool Store::AddSuccess(uint32_t upstream, uint32_t peer, uint32_t worker,
                              int64_t now_ms) {
  UpstreamRow& row = arena_.upstreams[upstream];
  PeerRow& peer_row = arena_.peers[peer];
  if (!IsWithin(row.minute, kMinuteMs, now_ms) ||
      !IsWithin(peer_row.minute, kMinuteMs, now_ms)) {
    return false;
  }
  Shard& shard = row.shards[worker % kUpstreamShards];
  Add(&shard.requests);
  Add(&shard.attempts);
  Shard& peer_shard = peer_row.shards[worker % kPeerShards];
  Add(&peer_shard.attempts);
  peer_shard.last_success.store(now_ms, std::memory_order_relaxed);
  return true;
}

inline bool Store::IsPeer(uint32_t peer, uint32_t upstream, const char* addr,
                          size_t length) const {
  if (length < sizeof(uint64_t)) {
    return false;
  }
  const PeerRow& row = arena_.peers[peer];
  return row.upstream.load(std::memory_order_acquire) == upstream &&
         row.addr_length == length && SameText(row.addr, addr, length);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_STORE_H_
