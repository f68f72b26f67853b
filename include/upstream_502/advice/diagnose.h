// The checklist an operator would walk, walked for them: a rule per pattern
// over the last minutes of each upstream.

#ifndef UPSTREAM_502_ADVICE_DIAGNOSE_H_
#define UPSTREAM_502_ADVICE_DIAGNOSE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/advice/findings.h"
#include "upstream_502/store/snapshot.h"
#include "upstream_502/words/finding.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

enum class Severity : uint8_t { kOutage, kDegraded, kInfo };
enum class Pattern : uint8_t {
  kOutage,        // every attempt fails
  kPartial,       // some peers fail, others do not
  kIntermittent,  // the same peer does and does not
  kSingleUri,     // one path, the rest is fine
  kSinceReload,   // began with this configuration
  kRecovered,     // failed, and has been well since
};

// A finding of the failures in the window, and of how many of them.
struct DiagnosisFinding {
  Finding finding;
  String text;  // of the newest of them
  uint64_t count;
};

struct Diagnosis {
  String upstream;
  Severity severity = Severity::kInfo;
  Pattern pattern = Pattern::kIntermittent;
  Cause cause = Cause::kUnknown;  // the dominant one
  double share = 0;               // of the failures in the window, 0..1
  int64_t since = 0;              // Unix ms of the first failure of this spell
  List<String> peers;             // that fail, worst first, at most 10
  String summary;                 // one sentence, plain text
  String hint;                    // what to do about the finding it leads with,
                                  // else what the cause means (hint.h)
  List<DiagnosisFinding> findings;  // dominant first
  List<String> checks;              // commands or directives, most useful first
};

absl::string_view SeverityName(Severity severity);
absl::string_view PatternName(Pattern pattern);

// At most one diagnosis per troubled upstream, worst first. Needs the
// snapshot's events unfiltered. `checks` quote addresses for a shell.
List<Diagnosis> Diagnose(const Snapshot& snapshot);

// What one failure shows: Findings of findings.h.
using FindingsOf = std::vector<Found> (*)(const Event&);

// The same in steps. `snapshot` must outlive it and stay as it is.
class Diagnoser {
 public:
  explicit Diagnoser(const Snapshot& snapshot,
                     FindingsOf findings_of = Findings)
      : snapshot_(snapshot), findings_of_(findings_of) {}

  // Looks at some more upstreams, as `work` goes: an event looked at is one, at
  // least one upstream. False when all are done.
  bool Next(size_t work);

  // What was found, worst first.
  List<Diagnosis> Take();

 private:
  const Snapshot& snapshot_;
  FindingsOf findings_of_;
  size_t next_ = 0;
  std::vector<std::pair<Diagnosis, uint64_t>> found_;  // with failures
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_DIAGNOSE_H_
