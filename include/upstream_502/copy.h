// Takes the statistics out of shared memory as plain values.

#ifndef UPSTREAM_502_COPY_H_
#define UPSTREAM_502_COPY_H_

#include <cstdint>

#include "upstream_502/snapshot.h"
#include "upstream_502/store.h"

namespace upstream_502 {

// Fills zone (but name and size), totals, upstreams with their peers, events
// and the server's start_time, load_time, generation and time. Counters that
// others add to meanwhile may be ahead of each other by what came in between.
void Copy(const Store& store, int64_t now_ms, Snapshot* snapshot);

}  // namespace upstream_502

#endif  // UPSTREAM_502_COPY_H_
