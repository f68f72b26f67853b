// The status location's query string, parsed: excerpt.h says what it leaves.

#ifndef UPSTREAM_502_REPORT_QUERY_H_
#define UPSTREAM_502_REPORT_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "upstream_502/report/negotiate.h"
#include "upstream_502/store/window.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/finding.h"

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

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_QUERY_H_
