// The processes that count, kWriters at most. One that has found a row may add
// to it until it comes back to its event loop; who takes a row out of use waits
// for that by rounds, never by time: a process may be stopped for any time
// between any two instructions. Counting itself does not know of it, and costs
// nothing for it.
//
//   uint32_t writer = JoinWriters(arena, process, generation);
//   … in the event loop, every few seconds:
//   PassRound(arena, writer);
//   … who takes rows out of use, and later gives them away:
//   uint32_t round = NextRound(arena);
//   if (round <= PassedRound(arena)) { … nobody knows them any more … }

#ifndef UPSTREAM_502_STORE_WRITERS_H_
#define UPSTREAM_502_STORE_WRITERS_H_

#include <algorithm>
#include <cstdint>

#include "upstream_502/store/arena.h"

namespace upstream_502 {

inline constexpr uint32_t kNoWriter = UINT32_MAX;

// As a row keeps its round: 0 is never, the last values a row that is in use
// again, and one that somebody takes out of use: who finds it so goes on with
// it.
inline constexpr uint32_t kTakenAgain = UINT32_MAX;
inline constexpr uint32_t kLeaving = UINT32_MAX - 1;

// Before it counts. `process` is no other one's, not even of one that has ended
// before, and not 0. `generation` is that of the configuration whose upstreams
// it knows by their rows. kNoWriter where there is no place: nobody waits for
// it, so that it must know no row but those of "(other)".
uint32_t JoinWriters(const Arena& arena, uint64_t process, uint64_t generation);
void LeaveWriters(const Arena& arena, uint32_t writer);

// That it holds no row at this moment, but those that its configuration names.
void PassRound(const Arena& arena, uint32_t writer);

// The round that rows belong to which were taken out of use before.
inline uint32_t NextRound(const Arena& arena) {
  return arena.header->round.fetch_add(1) + 1;
}

// The last round that all have passed: 0 is none.
uint32_t PassedRound(const Arena& arena);

// Whether somebody counts whose configuration is this one or an older one.
bool HasWriterOf(const Arena& arena, uint64_t generation);

// True once a minute: to look for those that are gone.
bool TakeForgetting(const Arena& arena, int64_t now_ms);

// Frees the places of those that are gone, as `is_gone` says of a process.
template <typename IsGone>
void ForgetWriters(const Arena& arena, const IsGone& is_gone) {
  for (Writer& writer : arena.header->writers) {
    uint64_t process = writer.process.load();
    if (process != 0 && is_gone(process)) {
      writer.process.compare_exchange_strong(process, 0);
    }
  }
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_WRITERS_H_
