// The vocabulary of findings: what was seen, beyond the cause, at the moment of
// failure. The one table of findings lives in finding.cc; documentation,
// metrics, the page and the tests derive from it.

#ifndef UPSTREAM_502_WORDS_FINDING_H_
#define UPSTREAM_502_WORDS_FINDING_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

// Values are stored in shared memory and in the file of the state: never
// renumber, new ones go behind the last.
enum class Finding : uint8_t {
  kResolverUnanswered,
  kHostsOnly,
  kPortClosed,
  kOtherAddress,
  kRejected,
  kSocketStale,
  kSocketAbsent,
  kSocketHidden,
  kDirectoryMissing,
  kNotASocket,
  kNoPermission,
  kConfined,
  kQueueFull,
  kSynUnanswered,
  kSynRepeated,
  kNotAccepted,
  kNotRead,
  kNoAnswer,
  kUnacknowledged,
  kServiceGone,
  kStillListening,
  kOomKill,
  kAnsweredEarly,
  kWrongProtocol,
  kCertificateExpired,
  kCertificateNotYetValid,
  kCertificateName,
  kCertificateUntrusted,
  kCertificateChain,
  kTlsRefusedHere,
  kNoServerName,
  kTlsAlert,
  kH2Error,
  kHeaderSize,
  kIdleClosed,
  kClosedInUse,
  kConnectionsUsed,
  kFilesUsed,
  kPortsUsed,
  kPeersDown,
  kNameMoved,
  kNotRetried,
  kSentAgain,
  // Of diagnoses only:
  kFromCache,
  kOneMethod,
  kAlwaysAfter,
  kOnlyReused,
  kOnlyLarge,
};

inline constexpr size_t kFindingCount = 48;
// Room for findings in every counter array; fixed, so that the layout of shared
// memory outlives a new finding.
inline constexpr size_t kMaxFindings = 56;

// One row of the table of findings.
struct FindingInfo {
  Finding finding;
  absl::string_view name;    // as in JSON, metrics and variables
  absl::string_view causes;  // "connection_refused, connection_timeout", "any"
  absl::string_view seen;    // what was seen, one line for the documentation
  absl::string_view how;     // with which call, one line
  absl::string_view act;     // what to do, one line
};

const FindingInfo& Info(Finding finding);
absl::string_view FindingName(Finding finding);

// Whether the table has the finding for failures of this cause.
bool IsOfCause(Finding finding, Cause cause);

// Whether it follows from the failure: true, and no reason for it.
inline bool IsConsequence(Finding finding) {
  return finding == Finding::kNotRetried || finding == Finding::kSentAgain;
}

// False when `name` names no finding.
bool ParseFinding(absl::string_view name, Finding* finding);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_FINDING_H_
