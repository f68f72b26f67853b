// What lies in shared memory: fixed-width integers and lock-free atomics, no
// pointers. Everything is a function of the zone's size and its rings' lengths,
// so that a reload or a new binary finds it again.
//
//   Header | upstream index | peer index | upstreams | peers | events | rare
//   | incidents
//
// Upstream row 0 is "(other)", row 1 is "(none)". Peer rows from
// `peer_capacity` on are the "(other)" peers, one per upstream row.

#ifndef UPSTREAM_502_STORE_LAYOUT_H_
#define UPSTREAM_502_STORE_LAYOUT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "upstream_502/store/window.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/errno.h"
#include "upstream_502/words/finding.h"
#include "upstream_502/words/grpc.h"

namespace upstream_502 {

using Counter = std::atomic<uint64_t>;
using Word = std::atomic<uint32_t>;
using Time = std::atomic<int64_t>;  // Unix ms; 0: never
static_assert(Counter::is_always_lock_free && Word::is_always_lock_free &&
              Time::is_always_lock_free);

inline constexpr uint64_t kMagic = 0x3230356d61657473;  // "steam502"
// Raise it when the meaning of a field changes; sizes speak for themselves.
inline constexpr uint32_t kLayoutVersion = 10;

inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kUpstreamShards = 8;
inline constexpr size_t kPeerShards = 4;
inline constexpr size_t kUpstreamNameMax = 224;
inline constexpr size_t kPeerNameMax = 128;
inline constexpr size_t kRecentSlots = 4;  // of kRecentMs each
inline constexpr int64_t kRecentMs = 2 * kMinuteMs;
inline constexpr size_t kRareEvents = 16;  // per cause
inline constexpr size_t kEventWords = 96;
inline constexpr size_t kIncidentPeers = 24;  // told apart in one incident
inline constexpr size_t kIncidentNameMax = 84;
// With its length: its end is left out.
inline constexpr uint8_t kNameCut = 0x80;
inline constexpr size_t kWriters = 512;

// Counters that every request touches; a worker adds to its own shard so that
// cores do not fight over a line.
struct alignas(kCacheLine) Shard {
  Counter requests{0};  // upstream rows only
  Counter attempts{0};
  Time last_success{0};  // peer rows only, Unix ms
  // Where there is room: upstream rows only, see GrpcStatusOf.
  Counter grpc_statuses[kGrpcStatusCount / kUpstreamShards]{};
};
static_assert(sizeof(Shard) == kCacheLine);

// Totals (modulo 2^32) of kKinds counters at the moment each of the last spans
// of time began: see history.h. Spans are told by differences, so that no
// counter is ever set back while others add to it.
template <size_t kSpans, size_t kKinds>
struct SpanTotals {
  Word at[kSpans][kKinds]{};
};
// Requests, failures, responses with 502.
using MinuteTotals = SpanTotals<kHistoryMinutes, 3>;
using HourTotals = SpanTotals<kHistoryHours, 3>;
// Attempts, failures, and those of them that were ends of idle connections.
using PeerTotals = SpanTotals<kPeerMinutes, 3>;
template <size_t kSpans>
using CauseTotals = SpanTotals<kSpans, kMaxCauses>;

// What an incident tells by differences: responses by code, attempts, rescued;
// modulo 2^32.
struct Tally {
  Word responses[kResponseCodeCount]{};
  Word attempts{0};
  Word rescued{0};
};

// One of the last two failures while no incident is open: see incidents.h.
struct EarlyFailure {
  Counter credit{0};    // cause and peer; 0: none, or taken by an incident
  Counter findings{0};  // a bit for each
  Counter event{0};
  Time time{0};
  Tally before;  // what was counted before it
};

// How often counts were moved to a row: begun and ended. See copy.h.
struct Moves {
  Word begun{0};
  Word ended{0};
};

// With the upstream of a peer's row, and in an upstream's state: nobody finds
// it any more, what it holds is "(other)"'s.
inline constexpr uint32_t kRetired = uint32_t{1} << 31;
// In the place of a row that an index named: what is behind it is found still.
inline constexpr uint32_t kGone = UINT32_MAX;

// What a success adds to comes first, then what a lookup reads. Failures are
// the sum of `causes`: one number cannot disagree with itself when a process is
// killed.
struct UpstreamRow {
  Shard shards[kUpstreamShards];
  Word hash{0};
  uint32_t name_length;   // bytes stored in `name`
  Word state{kRetired};   // until it is filled; or 0
  Word retired{0};        // as of a peer
  Moves moves;            // to it and to its "(other)" peer
  Counter generation{0};  // of the last configuration that names it; 0: none
  Time named{0};          // when it was found by its name in one, or made
  Time minute{0};         // start of the running span of `minutes`,
  Time recent{0};         // of `recents`
  Time hour{0};           // and of `hours`
  std::atomic<uint8_t> protocol{0};
  std::atomic<uint8_t> seen{0};  // kept across a reset of the counters
  std::atomic<uint8_t> kind{0};  // UpstreamKind
  char name[kUpstreamNameMax];
  Word incidents{0};
  Counter rescued{0};
  Counter responses[kResponseCodeCount][kOriginCount]{};
  Counter causes[kMaxCauses]{};
  Counter errno_classes[kErrnoClassCount]{};
  Counter findings[kMaxFindings]{};  // of failures that were asked about
  Counter time_buckets[kTimeBuckets + 1]{};
  Counter time_sum{0};
  MinuteTotals minutes;
  HourTotals hours;
  CauseTotals<kRecentSlots> recents;
  Counter spell{0};  // what an incident may come of: see incidents.h
  EarlyFailure early[2];
};

// How many responses have had this grpc-status, from 1 to kGrpcStatusCount.
template <typename Row>
auto& GrpcStatusOf(Row& row, size_t status) {
  return row.shards[(status - 1) % kUpstreamShards]
      .grpc_statuses[(status - 1) / kUpstreamShards];
}

struct PeerRow {
  Shard shards[kPeerShards];
  Word hash{0};
  // The upstream's row, and whether it is kRetired: also where a new row takes
  // the place of an old one, so that nobody takes what is not filled for
  // theirs.
  Word upstream{kRetired};
  Word retired{0};  // in which round, see writers.h
  uint16_t addr_length;
  std::atomic<uint8_t> last_cause{0};
  Time minute{0};
  char addr[kPeerNameMax];
  Counter causes[kMaxCauses]{};
  Counter errno_classes[kErrnoClassCount]{};
  Time first_failure{0};
  Time last_failure{0};
  Counter idle_ends{0};  // failures that are no fault: see IsIdleEnd
  PeerTotals minutes;
};
static_assert(sizeof(PeerRow) <= 1024);
static_assert(sizeof(UpstreamRow) + sizeof(PeerRow) + 8 * sizeof(Word) <= 6144);

// One event and its checksum, in relaxed words: see slot.h.
struct EventSlot {
  Counter words[kEventWords]{};
};
static_assert(sizeof(EventSlot) == 768);

// A process that counts: see writers.h.
struct Writer {
  Counter process{0};     // 0: free
  Counter generation{0};  // of its configuration
  Word round{0};          // the last one that it has passed
};

// One incident: plain counters, so that a torn one is still one; see
// incidents.h.
struct alignas(kCacheLine) IncidentSlot {
  Counter id{0};  // 0: none, or in the making
  Time start{0};  // of the first failure
  Time end{0};    // of the last one
  Counter first_event{0};
  Counter last_event{0};
  Counter generation{0};  // of the configuration it began with
  Word upstream{0};       // row, which may be another's by now:
  Word hash{0};           // then it has not this one
  std::atomic<uint8_t> protocol{0};
  std::atomic<uint8_t> since_reload{0};
  std::atomic<uint8_t> told{0};         // that it is over
  std::atomic<uint8_t> name_length{0};  // and kNameCut
  Tally before;                         // what was counted before it,
  Tally after;                          // and until its last failure
  Word causes[kMaxCauses]{};
  Word findings[kMaxFindings]{};
  Word spans[kIncidentSpans]{};  // failures by time, see window.h
  // Peers and their failures. A row may be another peer's by now: then its hash
  // differs.
  Counter peers[kIncidentPeers]{};  // hash, and row plus one; 0: free
  Word peer_failures[kIncidentPeers]{};
  Word other_peers{0};          // failures of further ones
  char name[kIncidentNameMax];  // of the upstream
};
static_assert(sizeof(IncidentSlot) <= 1024);

// How much of everything there is; follows from the size and the rings.
struct Capacity {
  uint32_t upstreams;
  uint32_t peers;           // without the "(other)" rows
  uint32_t upstream_index;  // slots, a power of two
  uint32_t peer_index;
  uint32_t events;
  uint32_t incidents;
  bool operator==(const Capacity&) const = default;
};

struct alignas(kCacheLine) Header {
  Counter magic{0};  // kMagic once all the rest is laid out
  uint64_t layout;   // kLayout
  uint64_t size;     // of the memory, bytes
  Capacity capacity;
  Word upstreams{0};  // rows handed out
  Word peers{0};
  Word resolved{0};         // rows of UpstreamKind::kResolved
  Word chosen_peers{0};     // rows of peers that a client may have chosen
  Word hand{0};             // where the next row to use again is looked for
  Word round{0};            // see writers.h
  Time inactive{0};         // ms after which a row may go; 0: never
  Time sweep_after{0};      // when to look for such rows of peers again,
  Time barren_until{0};     // and for one to use again
  Time upstreams_after{0};  // both, of upstreams
  Time no_upstream_until{0};
  Time writers_after{0};  // when to look for writers that are gone
  Counter evicted{0};
  Time start_time{0};
  Time load_time{0};
  Counter generation{0};
  Counter restarts{0};  // times it was read from a file
  Counter overflow{0};
  Counter overflow_told{0};  // at the last warning
  Time overflow_warned{0};
  Counter events{0};              // ids handed out
  Counter events_floor{0};        // ids up to here were reset away
  Counter events_skipped{0};      // of those handed out nobody got so many,
  Counter events_resumed{0};      // and none up to here will come: see SkipIds
  Counter incidents{0};           // ids handed out
  Counter incidents_floor{0};     // ids up to here were reset away
  Counter serials[kMaxCauses]{};  // events written, per cause
  Counter causes[kMaxCauses]{};
  Counter time_buckets[kMaxCauses][kTimeBuckets + 1]{};
  Counter time_sums[kMaxCauses]{};
  Time minute{0};
  Time hour{0};
  CauseTotals<kHistoryMinutes> minutes;
  CauseTotals<kHistoryHours> hours;
  Writer writers[kWriters];
};

// Another binary's layout differs in one of these: the version, and how many
// cache lines everything takes.
constexpr uint64_t LayoutOf(size_t size, int shift) {
  return uint64_t{size / kCacheLine} << shift;
}
inline constexpr uint64_t kLayout =
    kLayoutVersion + LayoutOf(sizeof(Header), 8) +
    LayoutOf(sizeof(UpstreamRow), 20) + LayoutOf(sizeof(PeerRow), 32) +
    LayoutOf(sizeof(EventSlot), 40) + LayoutOf(sizeof(IncidentSlot), 52);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_LAYOUT_H_
