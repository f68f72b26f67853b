// Takes the statistics out of shared memory as plain values.

#ifndef UPSTREAM_502_STORE_COPY_H_
#define UPSTREAM_502_STORE_COPY_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "upstream_502/store/snapshot.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {

// Fills zone (but name and size), totals, upstreams with their peers, events,
// incidents and the server's start_time, load_time, generation and time;
// history by the hour only with `hours`. Counters that others add to meanwhile
// may be ahead of each other by what came in between.
void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot,
          bool hours = false);

// The same in steps, so that a large zone never holds the worker. `snapshot`
// must outlive it.
//
//   Copier copier(store, now_ms, &snapshot);
//   while (copier.Next(500)) { … or go on later … }
class Copier {
 public:
  Copier(const Store& store, int64_t now_ms, Snapshot* snapshot,
         bool hours = false);

  // Copies about `work` rows and events more, at least one. False when the
  // snapshot is whole; not to be called again then.
  bool Next(size_t work);

 private:
  Arena arena_;
  int64_t now_ms_;
  Snapshot* snapshot_;
  bool hours_;
  std::vector<uint32_t> upstreams_;           // rows by name
  std::vector<std::vector<uint32_t>> peers_;  // rows by upstream row
  size_t next_upstream_ = 0;
  bool summed_ = false;
  std::vector<std::pair<uint64_t, const EventSlot*>> events_;  // newest first
  size_t next_event_ = 0;
  uint32_t next_incident_ = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_COPY_H_
