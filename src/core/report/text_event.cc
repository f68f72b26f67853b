// One event in the text report.

#include "upstream_502/report/text_event.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

std::string TimeOrDash(int64_t ms) {
  return ms < 0 ? "-" : absl::StrCat(LogSeconds(ms), "s");
}

std::string Status(uint16_t status) {
  return status == 0 ? "-" : absl::StrCat(status);
}

// How far it got and how long that took.
std::string Course(const Failure& failure) {
  std::string course = failure.attempt == 0 && !IsBeforeAttempt(failure.cause)
                           ? "before any attempt"
                           : absl::StrCat("in ", PhaseName(failure.phase));
  if (failure.errno_number != 0) {
    absl::StrAppend(&course, ", errno ", failure.errno_number, " ",
                    ErrnoName(failure.errno_number));
  }
  if (failure.received_status != 0) {
    absl::StrAppend(&course, ", received ", failure.received_status);
  }
  if (failure.attempt != 0) {
    absl::StrAppend(&course, ", attempt ", failure.attempt, " of ",
                    failure.attempts);
  }
  absl::StrAppend(&course, failure.reused != 0 ? ", reused connection" : "",
                  ", connect ", TimeOrDash(failure.connect_time), " header ",
                  TimeOrDash(failure.header_time), " response ",
                  TimeOrDash(failure.response_time));
  return course;
}

// "php 127.0.0.1:9000": the peer gets the room that the name leaves.
std::string UpstreamAndPeer(const Event& event) {
  constexpr size_t kWidth = 35;
  constexpr size_t kNameWidth = 17;
  const std::string name = Plain(event.upstream);
  const absl::string_view peer =
      event.peer.empty() ? "(no peer)" : absl::string_view(event.peer);
  const std::string shown =
      Shorten(peer, kWidth - 1 - std::min(name.size(), kNameWidth));
  return absl::StrCat(Shorten(name, kWidth - 1 - shown.size()), " ", shown);
}

void AppendShortened(absl::string_view text, std::string* out) {
  if (!text.empty()) {
    absl::StrAppend(out, "    ", Shorten(text, kColumns - 4), "\n");
  }
}

}  // namespace

void AppendTextEventHead(std::string* out) {
  AppendFormat(out, "%-14s  %-18s  %-23s  %s\n", "time (UTC)",
               "status -> client's", "cause", "upstream and peer");
}

void AppendTextEvent(const Event& event, std::string* out) {
  const Failure& failure = event.failure;
  const std::string status = absl::StrCat(
      Status(failure.status), " -> ", Status(failure.client_status),
      failure.rescued != 0 ? " rescued" : "");
  AppendFormat(out, "\n%s  %-18s  %-23s  ",
               FormatDateTime(failure.time_ms).substr(5), status,
               CauseName(failure.cause));
  absl::StrAppend(out, UpstreamAndPeer(event), "\n");
  AppendWrapped("    ", 4, absl::StrCat(Course(failure), ", event ", event.id),
                out);
  const std::string request =
      absl::StrCat(event.method, " ", event.host, event.uri);
  AppendShortened(absl::StripAsciiWhitespace(request), out);
  AppendShortened(event.message, out);
  if (!event.target.empty() && event.target != event.upstream) {
    AppendShortened(absl::StrCat("target ", event.target), out);
  }
  for (const Found& found : Findings(event)) {
    AppendWrapped("    why: ", 9, found.text, out);
  }
}

}  // namespace upstream_502
