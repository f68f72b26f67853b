// What taking rows of peers and of upstreams out of use has in common.

#ifndef UPSTREAM_502_CORE_STORE_EVICT_H_
#define UPSTREAM_502_CORE_STORE_EVICT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "upstream_502/store/history.h"
#include "upstream_502/store/layout.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {

// One row in so many is kept free.
inline constexpr uint32_t kReserve = 8;
inline constexpr int64_t kSecondMs = 1000;

// True for one process of those that come before `*at`, and moves it.
inline bool TakeTurn(Time* at, int64_t now_ms, int64_t next_ms) {
  int64_t seen = at->load(std::memory_order_relaxed);
  return (now_ms >= seen || LiesAhead(seen, now_ms)) &&
         at->compare_exchange_strong(seen, next_ms, std::memory_order_relaxed);
}

// How many are to go so that a reserve is free again, at most `most`.
inline size_t WantedOf(uint32_t free, uint32_t reserve, bool share_used,
                       size_t most) {
  const uint32_t wanted = share_used       ? reserve
                          : free < reserve ? reserve - free
                                           : 0;
  return std::min<size_t>(wanted, most);
}

// A row that may go.
struct Candidate {
  bool configured;  // the others go first
  int64_t used_at;
  uint32_t row;
  uint32_t slot;  // of the index

  bool operator<(const Candidate& other) const {
    return std::tie(configured, used_at, row) <
           std::tie(other.configured, other.used_at, other.row);
  }
};

// The `count` first of those that are offered.
class Oldest {
 public:
  explicit Oldest(size_t count) : count_(count) { rows_.reserve(count + 1); }

  void Offer(const Candidate& candidate) {
    if (rows_.size() == count_ && !(candidate < rows_.front())) {
      return;
    }
    rows_.push_back(candidate);
    std::push_heap(rows_.begin(), rows_.end());
    if (rows_.size() > count_) {
      std::pop_heap(rows_.begin(), rows_.end());
      rows_.pop_back();
    }
  }

  const std::vector<Candidate>& rows() const { return rows_; }

 private:
  size_t count_;
  std::vector<Candidate> rows_;  // a heap, the last in front
};

// While it lives, counts are on their way to a row.
class Moving {
 public:
  explicit Moving(Moves* moves) : moves_(moves) {
    moves_->begun.fetch_add(1);
    std::atomic_thread_fence(std::memory_order_release);
  }
  ~Moving() { moves_->ended.fetch_add(1); }
  Moving(const Moving&) = delete;
  Moving& operator=(const Moving&) = delete;

 private:
  Moves* moves_;
};

// Who is killed in the middle has counted twice: no sum ever falls.
template <typename T>
T MoveCount(std::atomic<T>* from, std::atomic<T>* to) {
  const T count = from->load(std::memory_order_relaxed);
  if (count != 0) {
    to->fetch_add(count, std::memory_order_relaxed);
    from->fetch_sub(count, std::memory_order_relaxed);
  }
  return count;
}

template <typename T, size_t N>
void MoveCounts(std::atomic<T> (*from)[N], std::atomic<T> (*to)[N]) {
  for (size_t i = 0; i < N; ++i) {
    MoveCount(*from + i, *to + i);
  }
}

// The last step of taking a row out of use, in the round that comes; one
// process does it.
inline void HaveLeft(Header* header, Word* retired) {
  uint32_t leaving = kLeaving;
  retired->compare_exchange_strong(leaving, header->round.load() + 1);
}

// All that `from` counted; what `to` says of the last minutes stays.
void Empty(PeerRow* from, PeerRow* to);

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_STORE_EVICT_H_
