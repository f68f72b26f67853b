// Time within a probe: how long the kernel took to answer.

#ifndef UPSTREAM_502_SYSTEM_CLOCK_H_
#define UPSTREAM_502_SYSTEM_CLOCK_H_

#include <cstdint>
#include <ctime>

namespace upstream_502 {

// µs that this thread has been at work, in the kernel too. While others have
// the processor it stands still: on a busy machine, where most fails, a
// question is as short as on an idle one.
inline int64_t WorkedUs() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_CLOCK_H_
