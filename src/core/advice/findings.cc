// Temporary: one finding alone, for the tests of what shows them.

#include "upstream_502/advice/findings.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "upstream_502/advice/hint.h"

namespace upstream_502 {

std::vector<Found> Findings(const Failure& failure, const FailureText& text,
                            const Evidence* evidence) {
  if (evidence == nullptr || failure.cause != Cause::kConnectionRefused ||
      evidence->where != Where::kThisMachine ||
      evidence->listening != Seen::kNo ||
      absl::StartsWith(text.peer, "unix:")) {
    return {};
  }
  return {{Finding::kPortClosed,
           absl::StrCat("nothing listens on port ",
                        text.peer.substr(text.peer.rfind(':') + 1),
                        " of this machine")}};
}

std::string Why(const Failure& failure, const FailureText& text,
                const Evidence* evidence) {
  const std::vector<Found> findings = Findings(failure, text, evidence);
  if (!findings.empty()) {
    return findings[0].text;
  }
  return Hint(failure, text);
}

}  // namespace upstream_502
