// Where nginx's own text stands in a line of its error log:
//
//   2026/11/20 21:43:31 [error] 7#7: *12 connect() failed (111: Connection …
//   time                 level  pid#tid  connection, unless it has no number

#ifndef UPSTREAM_502_VERDICT_LOG_LINE_H_
#define UPSTREAM_502_VERDICT_LOG_LINE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// The levels that tell of failures, with nginx's numbers, and all the others.
enum class LogLevel : uint8_t {
  kEmerg = 1,
  kAlert = 2,
  kCrit = 3,
  kError = 4,
  kOther = 5,
};

struct LogLine {
  LogLevel level = LogLevel::kOther;
  absl::string_view rest = "";  // from the pid on; not for kOther
};

// kOther for what is no such line.
LogLine ParseLogLine(absl::string_view line);

// nginx's own text in the `rest` of a line, "" for what is no such line.
// `numbered`: the connection has a number, without which nginx's own text might
// begin with a '*'.
absl::string_view TextOf(const LogLine& line, bool numbered);

// nginx's own text, without the query of a URL or key that it quotes; without
// its `path`, too, where that is not wanted either:
//   no host in upstream "/login?...", no host in upstream "/..."
std::string WithoutUrl(absl::string_view text, bool path);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_LOG_LINE_H_
