// What the renderers make of an incident's counts.

#ifndef UPSTREAM_502_REPORT_INCIDENT_H_
#define UPSTREAM_502_REPORT_INCIDENT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/store/incident.h"

namespace upstream_502 {

// Failures of a part of an incident.
struct TimelineSpan {
  int64_t start;
  int64_t width_ms;  // 0: without end
  uint64_t failures;
};

// From its start to its last failure.
std::vector<TimelineSpan> TimelineOf(const Incident& incident);

struct IncidentFinding {
  Finding finding;
  absl::string_view text;  // "": no event on record has it
  uint64_t count;
};

// The most frequent first; where there are as many, as its events tell them;
// those that follow from a failure behind those that explain it. Valid as long
// as `incident`.
std::vector<IncidentFinding> FoundIn(const Incident& incident);

// Its causes, the most frequent first.
std::vector<Cause> CausesOf(const Incident& incident);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_INCIDENT_H_
