// What lies in shared memory: fixed-width integers and lock-free atomics, no
// pointers. Everything is a function of the zone's size and number of events,
// so that a reload or a new binary finds it again.
//
//   Header | upstream index | peer index | upstreams | peers | events | rare
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

namespace upstream_502 {

using Counter = std::atomic<uint64_t>;
using Word = std::atomic<uint32_t>;
using Time = std::atomic<int64_t>;  // Unix ms; 0: never
static_assert(Counter::is_always_lock_free && Word::is_always_lock_free &&
              Time::is_always_lock_free);

inline constexpr uint64_t kMagic = 0x3230356d61657473;  // "steam502"
// Raise it when the meaning of a field changes; sizes speak for themselves.
inline constexpr uint32_t kLayoutVersion = 6;

inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kUpstreamShards = 8;
inline constexpr size_t kPeerShards = 4;
inline constexpr size_t kUpstreamNameMax = 256;
inline constexpr size_t kPeerNameMax = 128;
inline constexpr size_t kMinuteSlots = 64;  // of which kHistoryMinutes show
inline constexpr size_t kRecentSlots = 4;   // of kRecentMs each
inline constexpr int64_t kRecentMs = 2 * kMinuteMs;
inline constexpr size_t kRareEvents = 16;  // per cause
inline constexpr size_t kEventWords = 96;

// Counters that every request touches; a worker adds to its own shard so that
// cores do not fight over a line.
struct alignas(kCacheLine) Shard {
  Counter requests{0};  // upstream rows only
  Counter attempts{0};
  Time last_success{0};  // peer rows only, Unix ms
};
static_assert(sizeof(Shard) == kCacheLine);

// Slots of minutes hold the totals (modulo 2^32) at the moment the minute
// began. Minutes are told by differences, so that no counter is ever set back
// while others add to it. `minute` counts since the epoch (in `recents`: spans
// of kRecentMs); 0: unused.
struct MinuteSlot {
  Word minute{0};
  Word requests{0};
  Word failures{0};
  Word responses_502{0};
};

struct PeerMinuteSlot {
  Word minute{0};
  Word attempts{0};
  Word failures{0};
};

struct CauseSlot {
  Word minute{0};
  Word causes[kMaxCauses]{};
};

// What a lookup reads comes first. Failures are the sum of `causes`: one
// number cannot disagree with itself when a process is killed.
struct UpstreamRow {
  uint32_t hash;
  uint32_t name_length;  // bytes stored in `name`
  Time minute{0};        // start of the running slot of `minutes`
  Time recent{0};        // and of `recents`
  std::atomic<uint8_t> protocol{0};
  std::atomic<uint8_t> seen{0};  // kept across a reset of the counters
  char name[kUpstreamNameMax];
  Counter rescued{0};
  Counter responses[kResponseCodeCount][kOriginCount]{};
  Counter causes[kMaxCauses]{};
  Counter errno_classes[kErrnoClassCount]{};
  Counter findings[kMaxFindings]{};  // of failures that were asked about
  Counter time_buckets[kTimeBuckets + 1]{};
  Counter time_sum{0};
  MinuteSlot minutes[kMinuteSlots];
  CauseSlot recents[kRecentSlots];
  Shard shards[kUpstreamShards];
};

struct PeerRow {
  uint32_t hash;
  uint32_t upstream;
  uint32_t addr_length;
  Time minute{0};
  char addr[kPeerNameMax];
  Counter causes[kMaxCauses]{};
  Counter errno_classes[kErrnoClassCount]{};
  Time first_failure{0};
  Time last_failure{0};
  std::atomic<uint8_t> last_cause{0};
  PeerMinuteSlot minutes[kPeerMinutes];
  Shard shards[kPeerShards];
};
static_assert(sizeof(PeerRow) <= 1024);
static_assert(sizeof(UpstreamRow) + sizeof(PeerRow) <= 6144);

// One event and its checksum, in relaxed words: see slot.h.
struct EventSlot {
  Counter words[kEventWords]{};
};
static_assert(sizeof(EventSlot) == 768);

// How much of everything there is; follows from the size and the events.
struct Capacity {
  uint32_t upstreams;
  uint32_t peers;           // without the "(other)" rows
  uint32_t upstream_index;  // slots, a power of two
  uint32_t peer_index;
  uint32_t events;
  bool operator==(const Capacity&) const = default;
};

struct alignas(kCacheLine) Header {
  Counter magic{0};  // kMagic once all the rest is laid out
  uint64_t layout;   // kLayout
  uint64_t size;     // of the memory, bytes
  Capacity capacity;
  Word upstreams{0};  // rows handed out
  Word peers{0};
  Time start_time{0};
  Time load_time{0};
  Counter generation{0};
  Counter overflow{0};
  Counter overflow_told{0};  // at the last warning
  Time overflow_warned{0};
  Counter events{0};              // ids handed out
  Counter events_floor{0};        // ids up to here were reset away
  Counter serials[kMaxCauses]{};  // events written, per cause
  Counter causes[kMaxCauses]{};
  Counter time_buckets[kMaxCauses][kTimeBuckets + 1]{};
  Counter time_sums[kMaxCauses]{};
  Time minute{0};
  CauseSlot minutes[kMinuteSlots];
};

// Another binary's layout differs in one of these.
inline constexpr uint64_t kLayout =
    kLayoutVersion + (uint64_t{sizeof(Header)} << 8) +
    (uint64_t{sizeof(UpstreamRow)} << 24) + (uint64_t{sizeof(PeerRow)} << 40) +
    (uint64_t{sizeof(EventSlot)} << 52);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_LAYOUT_H_
