// History out of totals: a ring notes what was counted when each span of time
// began, and what a span saw is the difference to the next. A span in which
// nothing was counted begins and ends with the same totals, so that no slot has
// to say which span it is of: the running one does for all.

#ifndef UPSTREAM_502_STORE_HISTORY_H_
#define UPSTREAM_502_STORE_HISTORY_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "upstream_502/store/layout.h"

namespace upstream_502 {

template <size_t kKinds>
using Totals32 = std::array<uint32_t, kKinds>;

inline uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }

// What was counted between two totals, modulo 2^32. A span that was opened, or
// a counter that was reset, while others are read may seem to run backwards:
// nothing was counted then.
inline uint32_t Since(uint32_t start, uint32_t total) {
  const uint32_t count = total - start;
  return count <= INT32_MAX ? count : 0;
}

// How far a worker's clock may be behind another's, or seem to be.
inline constexpr int64_t kClocksDifferMs = 2 * kMinuteMs;

// Whether it was set back since `time`.
inline bool LiesAhead(int64_t time, int64_t now_ms) {
  return time - now_ms > kClocksDifferMs;
}

// When the clock was set back since these times, they are taken for now.
inline void KeepBehind(int64_t now_ms, std::initializer_list<Time*> times) {
  for (Time* time : times) {
    if (LiesAhead(time->load(std::memory_order_relaxed), now_ms)) {
      time->store(now_ms, std::memory_order_relaxed);
    }
  }
}

// Notes `totals` as those that span `span` begins with, unless somebody else
// has opened it meanwhile.
template <size_t kSpans, size_t kKinds>
void NoteTotals(const Time& running, int64_t seen, int64_t span,
                const Totals32<kKinds>& totals,
                SpanTotals<kSpans, kKinds>* ring) {
  Word(&at)[kKinds] = ring->at[static_cast<size_t>(span) % kSpans];
  for (size_t kind = 0; kind < kKinds; ++kind) {
    uint32_t old = at[kind].load(std::memory_order_relaxed);
    if (running.load(std::memory_order_acquire) == seen) {
      at[kind].compare_exchange_strong(old, totals[kind],
                                       std::memory_order_relaxed);
    }
  }
}

// The clock was set back, from span `last` to `now`. The spans until now keep
// what they had, and what was counted ahead of them has none any more: it would
// look as if all of it had happened within a moment. One span ahead (an hour
// that had just begun) becomes a part of this one. Whoever sees it first does
// it alone, since it cannot be done twice.
template <size_t kSpans, size_t kKinds>
void TurnBack(int64_t last, int64_t now, const Totals32<kKinds>& totals,
              SpanTotals<kSpans, kKinds>* ring) {
  const auto at = [ring](int64_t span, size_t kind) -> Word& {
    return ring->at[static_cast<size_t>(span) % kSpans][kind];
  };
  // Slots of what lies ahead are those of the oldest spans now.
  const int64_t oldest = last - static_cast<int64_t>(kSpans) + 1;
  for (size_t kind = 0; kind < kKinds; ++kind) {
    uint32_t first = totals[kind];  // of what is left
    if (oldest <= now) {
      const uint32_t ahead =
          last - now == 1
              ? 0
              : Since(at(now + 1, kind).load(std::memory_order_relaxed), first);
      for (int64_t span = oldest; span <= now; ++span) {
        at(span, kind).fetch_add(ahead, std::memory_order_relaxed);
      }
      first = at(oldest, kind).load(std::memory_order_relaxed);
    }
    for (int64_t span = std::max(now, oldest - 1) + 1; span <= last; ++span) {
      at(span, kind).store(first, std::memory_order_relaxed);
    }
  }
}

// Opens the span of `width_ms` that `now_ms` falls into where nobody did yet;
// `sum` tells the totals. Before the first one there are none: what others
// count meanwhile belongs to it. Spans become whole before they run, so that
// whoever is killed in between leaves them to the next. Small steps back of the
// clock are ignored.
template <size_t kSpans, size_t kKinds, typename Sum>
void OpenSpan(Time* running, SpanTotals<kSpans, kKinds>* ring, int64_t width_ms,
              int64_t now_ms, const Sum& sum) {
  constexpr auto kLength = static_cast<int64_t>(kSpans);
  const int64_t start = now_ms - now_ms % width_ms;
  int64_t seen = running->load(std::memory_order_acquire);
  if (seen == start || (seen > now_ms && !LiesAhead(seen, now_ms))) {
    return;
  }
  const int64_t now = start / width_ms;
  const int64_t last = seen / width_ms;
  if (seen != 0 && last < now) {
    const Totals32<kKinds> totals = sum();
    for (int64_t span = std::max(last, now - kLength) + 1; span <= now;
         ++span) {
      NoteTotals(*running, seen, span, totals, ring);
    }
  }
  const bool opened = running->compare_exchange_strong(
      seen, start, std::memory_order_release, std::memory_order_relaxed);
  if (opened && last > now) {
    TurnBack(last, now, sum(), ring);
  }
}

// The counts of each span up to that of `now_ms`, oldest first, by kind;
// `totals` are those of now.
template <size_t kSpans, size_t kKinds>
std::array<std::array<uint64_t, kSpans>, kKinds> Differences(
    const Time& running, const SpanTotals<kSpans, kKinds>& ring,
    int64_t width_ms, int64_t now_ms, Totals32<kKinds> totals) {
  std::array<std::array<uint64_t, kSpans>, kKinds> counts{};
  const int64_t now = now_ms / width_ms;
  const int64_t last = running.load(std::memory_order_acquire) / width_ms;
  for (size_t back = 0; back < kSpans; ++back) {
    const int64_t span = now - static_cast<int64_t>(back);
    if (span > last || span < 0) {
      continue;
    }
    const Word(&at)[kKinds] = ring.at[static_cast<size_t>(span) % kSpans];
    for (size_t kind = 0; kind < kKinds; ++kind) {
      const uint32_t count =
          Since(at[kind].load(std::memory_order_relaxed), totals[kind]);
      counts[kind][kSpans - 1 - back] = count;
      totals[kind] -= count;
    }
  }
  return counts;
}

// Where the oldest of `spans` spans begins.
inline int64_t OldestStart(int64_t width_ms, int64_t now_ms, size_t spans) {
  return (now_ms / width_ms - static_cast<int64_t>(spans) + 1) * width_ms;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_HISTORY_H_
