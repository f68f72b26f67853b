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
  bool follow = false;   // what is new, as it comes: see follow.h
  // Of one who follows and goes on: the last event that it has had, and how
  // many behind that it wants. `since` is 0 then.
  struct Resume {
    uint64_t event;
    uint64_t limit;
  };
  std::optional<Resume> resume;
};

// Parses `args` ("format=json&limit=5", URL-encoded, without the '?'; may be
// empty). An unknown or bad argument is InvalidArgument with one line that
// names it, in nginx's voice. `last_event_id` is the value of that header, ""
// if absent: who follows goes on there; what is no id is ignored.
absl::StatusOr<Query> ParseQuery(absl::string_view args,
                                 absl::string_view last_event_id = "");

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_QUERY_H_
