// Tells processes apart, also those that have had the same number.

#ifndef UPSTREAM_502_SYSTEM_PROCESS_H_
#define UPSTREAM_502_SYSTEM_PROCESS_H_

#include <sys/types.h>

#include <cstdint>

namespace upstream_502 {

// A number that no other process of this boot has; never 0. Where the kernel
// does not say when it began, its pid alone.
uint64_t IdentifyProcess(pid_t pid);

// Whether the process that IdentifyProcess has called so has ended.
bool IsProcessGone(uint64_t process);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_PROCESS_H_
