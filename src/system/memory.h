// Whether the kernel has killed processes for want of memory lately. It counts
// for the machine, also when asked inside a container; when it was is only
// known from looking more than once.
//
//   OomWatch watch;
//   watch.Look(now_ms);              // when the process starts, now and then
//   const OomKills kills = watch.Look(now_ms);  // when something failed

#ifndef UPSTREAM_502_SYSTEM_MEMORY_H_
#define UPSTREAM_502_SYSTEM_MEMORY_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// -1: not known (yet).
struct OomKills {
  int32_t count = -1;
  int32_t seconds = -1;  // all of them happened within so many
};

// The `oom_kill` in the text of /proc/vmstat. -1: it is not there.
int64_t ParseOomKill(absl::string_view vmstat);

class OomWatch {
 public:
  // How long kills are told of after they were seen.
  static constexpr int64_t kMemoryMs = 60 * 1000;

  // Reads the counter, at most once a second. `now_ms` never falls.
  OomKills Look(int64_t now_ms);

  // The same with a counter that was read (-1: could not be), for tests.
  OomKills Take(int64_t counter, int64_t now_ms);

 private:
  OomKills Told(int64_t now_ms) const;

  bool has_looked_ = false;
  int64_t counter_ = -1;
  int64_t looked_ms_ = 0;  // when counter_ was read
  int32_t count_ = 0;      // kills that are told of
  int64_t from_ms_ = 0;    // the reading before them
  int64_t seen_ms_ = 0;    // the reading after them
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_MEMORY_H_
