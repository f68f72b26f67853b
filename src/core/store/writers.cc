// The processes that count, and how far they are.

#include "upstream_502/store/writers.h"

#include "evict.h"

namespace upstream_502 {

// A place that is taken holds what its last owner left until all is stored:
// that only makes others wait longer.
uint32_t JoinWriters(const Arena& arena, uint64_t process,
                     uint64_t generation) {
  for (uint32_t i = 0; i < kWriters; ++i) {
    Writer& writer = arena.header->writers[i];
    uint64_t nobody = 0;
    if (writer.process.load() == 0 &&
        writer.process.compare_exchange_strong(nobody, process)) {
      PassRound(arena, i);
      writer.generation.store(generation);
      return i;
    }
  }
  return kNoWriter;
}

void LeaveWriters(const Arena& arena, uint32_t writer) {
  if (writer < kWriters) {
    arena.header->writers[writer].process.store(0);
    // Rows may go that it knew.
    arena.header->upstreams_after.store(0);
    arena.header->no_upstream_until.store(0);
  }
}

void PassRound(const Arena& arena, uint32_t writer) {
  if (writer < kWriters) {
    const uint32_t round = arena.header->round.load();
    // What it looks at from here on is as those have left it who began that
    // round.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    arena.header->writers[writer].round.store(round);
  }
}

bool TakeForgetting(const Arena& arena, int64_t now_ms) {
  return TakeTurn(&arena.header->writers_after, now_ms, now_ms + kMinuteMs);
}

uint32_t PassedRound(const Arena& arena) {
  uint32_t passed = arena.header->round.load();
  for (const Writer& writer : arena.header->writers) {
    if (writer.process.load() != 0) {
      passed = std::min(passed, writer.round.load());
    }
  }
  return passed;
}

bool HasWriterOf(const Arena& arena, uint64_t generation) {
  return std::any_of(std::begin(arena.header->writers),
                     std::end(arena.header->writers),
                     [generation](const Writer& writer) {
                       return writer.process.load() != 0 &&
                              writer.generation.load() <= generation;
                     });
}

}  // namespace upstream_502
