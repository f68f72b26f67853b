// Time within a probe: how long the kernel took to answer.

#ifndef UPSTREAM_502_SYSTEM_CLOCK_H_
#define UPSTREAM_502_SYSTEM_CLOCK_H_

#include <cstdint>
#include <ctime>

namespace upstream_502 {

// µs of a clock that is never set. No system call (vDSO).
inline int64_t MonotonicUs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_CLOCK_H_
