// The status location's query string, parsed, and what it filters.

#ifndef UPSTREAM_502_REPORT_QUERY_H_
#define UPSTREAM_502_REPORT_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "upstream_502/report/negotiate.h"
#include "upstream_502/store/snapshot.h"

namespace upstream_502 {

struct Query {
  Format format = Format::kAuto;
  std::optional<std::string> upstream;
  std::optional<std::string> peer;
  std::optional<Cause> cause;
  std::optional<Finding> finding;
  std::optional<uint64_t> incident;
  Window window = Window::kHour;
  uint64_t since = 0;    // only events with a larger id
  uint64_t limit = 100;  // events at most
};

// Parses `args` ("format=json&limit=5", URL-encoded, without the '?'; may be
// empty). An unknown or bad argument is InvalidArgument with one line that
// names it, in nginx's voice.
absl::StatusOr<Query> ParseQuery(absl::string_view args);

// Drops from `snapshot` what the query does not ask for: upstreams, peers of
// another address, causes and findings in their count arrays are kept whole;
// events are filtered by all of upstream, peer, cause, finding, incident, since
// and cut to limit: of one incident the first event on record stays, too.
// Incidents are those that the first five leave. Totals stay as they are.
void Apply(const Query& query, Snapshot* snapshot);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_QUERY_H_
