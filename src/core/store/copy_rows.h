// One row of shared memory as plain values, and what the header counts by
// cause.

#ifndef UPSTREAM_502_CORE_STORE_COPY_ROWS_H_
#define UPSTREAM_502_CORE_STORE_COPY_ROWS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "upstream_502/store/history.h"
#include "upstream_502/store/layout.h"
#include "upstream_502/store/snapshot.h"

namespace upstream_502 {

template <size_t N>
void Load(const Counter (&from)[N], std::array<uint64_t, N>* to) {
  for (size_t i = 0; i < N; ++i) {
    (*to)[i] = from[i].load(std::memory_order_relaxed);
  }
}

// What was, was not later than now, whatever the clock has said since.
inline int64_t NotAhead(int64_t time, int64_t now_ms) {
  return std::min(time, now_ms);
}

// Takes the first of a heap.
template <typename T, typename Less>
T PopHeap(List<T>* heap, const Less& less) {
  std::pop_heap(heap->begin(), heap->end(), less);
  const T top = heap->back();
  heap->pop_back();
  return top;
}

// But for its peers and its incidents on record.
void CopyUpstream(const UpstreamRow& row, int64_t now_ms, bool hours,
                  UpstreamStats* stats);

// A success that lies ahead, since the clock was set back, is no last one:
// later ones would not show.
void CopyPeer(const PeerRow& row, int64_t now_ms, PeerStats* stats);

// By cause: history and times of failures; by the hour only with `hours`.
void CopyCauses(const Header& header, int64_t now_ms, bool hours,
                Totals* totals);

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_STORE_COPY_ROWS_H_
