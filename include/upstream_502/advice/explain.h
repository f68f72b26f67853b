// What the findings of incidents said, taken from their events.

#ifndef UPSTREAM_502_ADVICE_EXPLAIN_H_
#define UPSTREAM_502_ADVICE_EXPLAIN_H_

#include "upstream_502/store/snapshot.h"

namespace upstream_502 {

// Of so many events of one incident at most: their findings are sentences that
// take time to make, and mostly the same.
inline constexpr int kIncidentEventsAsked = 8;

// Fills `texts` of incidents as far as the newest events on record tell, those
// that tell most first. Needs the snapshot's events unfiltered.
void ExplainIncidents(Snapshot* snapshot);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_EXPLAIN_H_
