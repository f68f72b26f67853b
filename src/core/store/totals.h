// What rows have counted so far, modulo 2^32, as spans and incidents keep it.

#ifndef UPSTREAM_502_CORE_STORE_TOTALS_H_
#define UPSTREAM_502_CORE_STORE_TOTALS_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "upstream_502/store/history.h"
#include "upstream_502/store/layout.h"

namespace upstream_502 {

// The sum of `count` of each of the `N`. No loop: every failure asks for some.
template <size_t N, typename Count>
uint32_t SumOf(const Count& count) {
  return [&count]<size_t... I>(std::index_sequence<I...>) {
    return Low((count(I).load(std::memory_order_relaxed) + ...));
  }
  (std::make_index_sequence<N>());
}

template <size_t N>
uint32_t Sum(const Counter (&counters)[N]) {
  return SumOf<N>([&](size_t i) -> const Counter& { return counters[i]; });
}

template <size_t N>
uint32_t Sum(const Shard (&shards)[N], Counter Shard::*counter) {
  return SumOf<N>(
      [&](size_t i) -> const Counter& { return shards[i].*counter; });
}

inline Totals32<3> TotalsOf(const UpstreamRow& row) {
  static_assert(kResponseCodes[1] == 502);
  return {Sum(row.shards, &Shard::requests), Sum(row.causes),
          Sum(row.responses[1])};
}

inline Totals32<kMaxCauses> TotalsOf(const Counter (&causes)[kMaxCauses]) {
  Totals32<kMaxCauses> totals;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    totals[i] = Low(causes[i].load(std::memory_order_relaxed));
  }
  return totals;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_STORE_TOTALS_H_
