// What rows have counted so far, modulo 2^32, as spans and incidents keep it.

#ifndef UPSTREAM_502_CORE_STORE_TOTALS_H_
#define UPSTREAM_502_CORE_STORE_TOTALS_H_

#include <cstddef>
#include <cstdint>

#include "upstream_502/store/history.h"
#include "upstream_502/store/layout.h"

namespace upstream_502 {

template <size_t N>
uint32_t Sum(const Counter (&counters)[N]) {
  uint64_t sum = 0;
  for (const Counter& counter : counters) {
    sum += counter.load(std::memory_order_relaxed);
  }
  return Low(sum);
}

template <size_t N>
uint32_t Sum(const Shard (&shards)[N], Counter Shard::*counter) {
  uint64_t sum = 0;
  for (const Shard& shard : shards) {
    sum += (shard.*counter).load(std::memory_order_relaxed);
  }
  return Low(sum);
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
