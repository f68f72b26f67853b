// The order that nearly all of the store's atomics take: none.

#ifndef UPSTREAM_502_CORE_STORE_RELAXED_H_
#define UPSTREAM_502_CORE_STORE_RELAXED_H_

#include <atomic>

namespace upstream_502 {

inline constexpr auto kRelaxed = std::memory_order_relaxed;

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_STORE_RELAXED_H_
