// The status location's query string and Accept header, parsed.

#ifndef UPSTREAM_502_QUERY_H_
#define UPSTREAM_502_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "upstream_502/snapshot.h"

namespace upstream_502 {

enum class Format : uint8_t {
  kAuto,
  kHtml,
  kJson,
  kText,
  kPrometheus,   // text/plain; version=0.0.4
  kOpenMetrics,  // application/openmetrics-text
};

struct Query {
  Format format = Format::kAuto;
  std::optional<std::string> upstream;
  std::optional<std::string> peer;
  std::optional<Cause> cause;
  uint64_t since = 0;    // only events with a larger id
  uint64_t limit = 100;  // events at most
};

// Parses `args` ("format=json&limit=5", URL-encoded, without the '?'; may be
// empty). An unknown or bad argument is InvalidArgument with one line that
// names it, in nginx's voice.
absl::StatusOr<Query> ParseQuery(absl::string_view args);

// The format to answer with: the directive's unless kAuto, else the query's,
// else what `accept` (the header's value, "" if absent) asks for, else kText.
// Where directive or query say kPrometheus, `accept` may still choose
// kOpenMetrics. Honours q values; media types compare without case.
Format ChooseFormat(Format directive, const Query& query,
                    absl::string_view accept);

// The Content-Type of an answer in `format`.
absl::string_view ContentType(Format format);

// Drops from `snapshot` what the query does not ask for: upstreams, peers of
// another address, causes in their count arrays are kept whole; events are
// filtered by all of upstream, peer, cause, since and cut to limit. Totals
// stay as they are.
void Apply(const Query& query, Snapshot* snapshot);

}  // namespace upstream_502

#endif  // UPSTREAM_502_QUERY_H_
