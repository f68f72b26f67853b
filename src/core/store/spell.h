// What an upstream's row keeps between its failures: one word that says whether
// an incident is open, or how far it is from one.

#ifndef UPSTREAM_502_SRC_CORE_STORE_SPELL_H_
#define UPSTREAM_502_SRC_CORE_STORE_SPELL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "upstream_502/store/history.h"

namespace upstream_502 {

// The word `spell` of an upstream: an incident's id, or else when the last
// failure was, how long before that the one before, and which of `early` the
// last one has.
inline constexpr uint64_t kIncident = uint64_t{1} << 63;
inline constexpr int kLastBits = 46;  // Unix ms until the year 4199
inline constexpr uint64_t kNoneBefore = 0xFFFF;
static_assert(kMinuteMs < static_cast<int64_t>(kNoneBefore));

constexpr bool IsIncident(uint64_t spell) { return (spell & kIncident) != 0; }
constexpr uint64_t IdOf(uint64_t spell) { return spell & ~kIncident; }
constexpr int64_t LastOf(uint64_t spell) {
  return static_cast<int64_t>(spell & ((uint64_t{1} << kLastBits) - 1));
}
constexpr uint64_t GapOf(uint64_t spell) {
  return spell >> kLastBits & kNoneBefore;
}
constexpr size_t EarlyOf(uint64_t spell) { return spell >> 62 & 1; }

constexpr uint64_t SpellOf(int64_t last, uint64_t gap, size_t early) {
  return (uint64_t{early} << 62) | (gap << kLastBits) |
         (static_cast<uint64_t>(last) & ((uint64_t{1} << kLastBits) - 1));
}

// What a failure at `time` makes of the word; `first` is when the incident
// begins that it opens instead, or 0.
inline uint64_t NextSpell(uint64_t spell, int64_t time, int64_t* first) {
  *first = 0;
  if (IsIncident(spell)) {
    return SpellOf(time, kNoneBefore, 0);
  }
  const int64_t last = LastOf(spell);
  const size_t early = 1 - EarlyOf(spell);
  if (LiesAhead(last, time) || time - last > kMinuteMs) {
    return SpellOf(time, kNoneBefore, early);
  }
  const int64_t now = std::max(time, last);  // workers come in any order
  const uint64_t gap = GapOf(spell);
  const int64_t before = last - static_cast<int64_t>(gap);
  if (gap != kNoneBefore && now - before <= kMinuteMs) {
    *first = before;
  }
  return SpellOf(now, static_cast<uint64_t>(now - last), early);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_CORE_STORE_SPELL_H_
