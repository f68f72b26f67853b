// What the evidence of one failure says: findings, the most telling first, each
// with one sentence an operator acts on.
//
//   Findings(failure, {.peer = "127.0.0.1:3001"}, &evidence)
//   == {{Finding::kPortClosed, "nothing listens on 127.0.0.1:3001; listened on
//   "
//                              "at that address: 3000"}}

#ifndef UPSTREAM_502_ADVICE_FINDINGS_H_
#define UPSTREAM_502_ADVICE_FINDINGS_H_

#include <string>
#include <vector>

#include "upstream_502/store/event.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"
#include "upstream_502/words/finding.h"

namespace upstream_502 {

struct Found {
  Finding finding;
  std::string text;  // plain text of at most 300 bytes, no full stop; what is
                     // from outside in it is printable ASCII
};

// `evidence` is nullptr where nothing was asked: then only what the failure
// itself tells (its message, how it was not retried). Nothing is said that was
// not seen.
std::vector<Found> Findings(const Failure& failure, const FailureText& text,
                            const Evidence* evidence);

// The same without their sentences.
std::vector<Finding> FindingKinds(const Failure& failure,
                                  const FailureText& text,
                                  const Evidence* evidence);

inline std::vector<Found> Findings(const Event& event) {
  return Findings(event.failure, TextOf(event),
                  event.evidence ? &*event.evidence : nullptr);
}

// The sentence that says why: that of the first finding that does, else the
// hint. Not retried, sent again and a slow connect say nothing of the failure.
std::string Why(const Failure& failure, const FailureText& text,
                const Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_FINDINGS_H_
