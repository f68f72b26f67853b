// Hashing and comparing short texts inline: what a request that did not fail
// pays for.

#ifndef UPSTREAM_502_WORDS_TEXT_H_
#define UPSTREAM_502_WORDS_TEXT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace upstream_502 {

inline constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;

// One step of a hash over words; keeps apart what differs in any bit.
inline uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * kMultiplier;
  return hash ^ (hash >> 32);
}

template <typename Word>
uint64_t Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

// At most eight bytes as a word, with zeroes behind them.
inline uint64_t LoadShort(const char* p, size_t size) {
  uint64_t word = 0;
  std::memcpy(&word, p, size);
  return word;
}

// The last bytes of a text of `size`, at least eight, that fill no word: one to
// seven of them as a word, with zeroes behind them.
inline uint64_t LoadTail(const char* text, size_t size) {
  const uint64_t word = Load<uint64_t>(text + size - sizeof(uint64_t));
  const size_t before = 8 * (sizeof(uint64_t) - size % sizeof(uint64_t));
  return std::endian::native == std::endian::little ? word >> before
                                                    : word << before;
}

// Both go through a text word by word, without a call; the last word overlaps
// the one before it. Of the hash the upper bits are the good ones.
inline uint32_t HashText(uint32_t seed, const char* text, size_t size) {
  uint64_t hash = seed + size;
  if (size < 8) {
    hash ^= size == 0 ? 0 : LoadShort(text, size);
  } else {
    const char* const last = text + size - 8;
    for (; text < last; text += 8) {
      hash = Mix(hash, Load<uint64_t>(text));
    }
    hash ^= Load<uint64_t>(last);
  }
  return static_cast<uint32_t>(hash * kMultiplier >> 32);
}

inline bool SameText(const char* a, const char* b, size_t size) {
  if (size < 8) {
    return size == 0 || LoadShort(a, size) == LoadShort(b, size);
  }
  const size_t last = size - 8;
  size_t i = 0;
  do {
    if (Load<uint64_t>(a + i) != Load<uint64_t>(b + i)) {
      return false;
    }
    i += 8;
  } while (i < last);
  return Load<uint64_t>(a + last) == Load<uint64_t>(b + last);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_TEXT_H_
