// An index of rows: open addressing, without a lock. A slot holds a row plus
// one, or 0 while it is free, or kGone where a row was that went.

#ifndef UPSTREAM_502_CORE_STORE_INDEX_H_
#define UPSTREAM_502_CORE_STORE_INDEX_H_

#include <atomic>
#include <cstdint>

#include "upstream_502/store/arena.h"

namespace upstream_502 {

inline constexpr uint32_t kNoRow = UINT32_MAX;

struct Index {
  Word* slots;
  // A power of two, four times as many as there are rows at least: the fewer
  // places are free, the more stay gone.
  uint32_t size;
};

inline Index UpstreamIndex(const Arena& arena) {
  return {arena.upstream_index, arena.capacity.upstream_index};
}
inline Index PeerIndex(const Arena& arena) {
  return {arena.peer_index, arena.capacity.peer_index};
}

// How often the way to a row may change under the feet of who adds one.
inline constexpr int kAddTries = 9;

// Goes from slot to slot: the row that `matches`, or else kNoRow, and in
// `place` the slot where it would be, which held `held`: one that a row is gone
// from, the first on the way, or the free one at its end.
template <typename Matches>
uint32_t Search(const Index& index, uint32_t hash, const Matches& matches,
                Word** place, uint32_t* held) {
  *place = nullptr;
  uint32_t at = FirstSlot(hash, index.size);
  for (uint32_t i = 0; i < index.size; ++i) {
    Word& slot = index.slots[at];
    const uint32_t stored = slot.load(std::memory_order_acquire);
    if (stored != 0 && stored != kGone && matches(stored - 1)) {
      return stored - 1;
    }
    if ((stored == 0 || stored == kGone) && *place == nullptr) {
      *place = &slot;
      *held = stored;
    }
    if (stored == 0) {
      break;
    }
    at = (at + 1) & (index.size - 1);
  }
  return kNoRow;
}

// The row that `matches`, or else a new one that `make` returns; kNoRow when
// there is no more. Two processes may both make a row for a new key: the one
// that loses the race gives its row back, and nobody ever waits. Where rows
// went meanwhile, both may find a place: then the key has two rows, which
// readers take together.
template <typename Matches, typename Make, typename GiveBack>
uint32_t FindOrAdd(const Index& index, uint32_t hash, const Matches& matches,
                   const Make& make, const GiveBack& give_back) {
  uint32_t made = kNoRow;
  for (int tries = 0; tries < kAddTries; ++tries) {
    Word* place;
    uint32_t held;
    const uint32_t found = Search(index, hash, matches, &place, &held);
    if (found != kNoRow) {
      if (made != kNoRow) {
        give_back(made);
      }
      return found;
    }
    if (place == nullptr) {
      break;
    }
    if (made == kNoRow) {
      made = make();
      if (made == kNoRow) {
        return kNoRow;
      }
      continue;  // making room may have changed the way
    }
    if (place->compare_exchange_strong(held, made + 1)) {
      return made;
    }
  }
  if (made != kNoRow) {
    give_back(made);
  }
  return kNoRow;
}

// Takes `row` out of slot `slot`; one process does it.
inline bool Remove(const Index& index, uint32_t slot, uint32_t row) {
  const uint32_t mask = index.size - 1;
  uint32_t named = row + 1;
  if (!index.slots[slot].compare_exchange_strong(named, kGone)) {
    return false;
  }
  // Nobody looks behind the last place of a way: then it ends earlier. Unless
  // somebody has just made it longer.
  uint32_t gone = kGone;
  while (index.slots[(slot + 1) & mask].load() == 0 &&
         index.slots[slot].compare_exchange_strong(gone, 0)) {
    if (index.slots[(slot + 1) & mask].load() != 0) {
      uint32_t end = 0;
      index.slots[slot].compare_exchange_strong(end, kGone);
      break;
    }
    slot = (slot - 1) & mask;
    gone = kGone;
  }
  return true;
}

// The slot that names `row`, which has this hash, or kNoRow.
inline uint32_t SlotOf(const Index& index, uint32_t hash, uint32_t row) {
  uint32_t at = FirstSlot(hash, index.size);
  for (uint32_t i = 0; i < index.size; ++i) {
    const uint32_t stored = index.slots[at].load(std::memory_order_acquire);
    if (stored == row + 1) {
      return at;
    }
    if (stored == 0) {
      break;
    }
    at = (at + 1) & (index.size - 1);
  }
  return kNoRow;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_STORE_INDEX_H_
