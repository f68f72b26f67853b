// What became of a request: whether its response is a gateway response, whose
// it is, whether an attempt failed that the client never saw, and which
// failure decided. Pure rules over what the request has kept.

#ifndef UPSTREAM_502_VERDICT_OUTCOME_H_
#define UPSTREAM_502_VERDICT_OUTCOME_H_

#include <cstdint>

#include "absl/types/span.h"
#include "upstream_502/verdict/note.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

// A request or subrequest at its header or later, as far as the rules ask.
struct RequestFacts {
  int status = 0;                      // what its client gets; 0: nothing yet
  uint32_t runs = 0;                   // of an upstream
  uint32_t attempts = 0;               // in all of them
  bool from_cache = false;             // nginx answered out of a cache
  bool aborted = false;                // the client's connection is gone
  absl::Span<Note* const> notes = {};  // in the order of attempts
};

struct Outcome {
  int status = 0;        // what the client gets
  bool gateway = false;  // a gateway response; `origin` is set
  bool whole = false;    // the client gets all of some response
  bool rescued = false;  // an attempt failed and the client never saw it
  Origin origin = Origin::kConfig;
  Note* failure = nullptr;  // the last failed attempt; nullptr: there is none
  uint32_t attempts = 0;    // of the request that `failure` is of
  uint32_t failures = 0;
};

inline bool IsGatewayStatus(int status) {
  return status == 502 || status == 504;
}

// The last of the failed attempts; nullptr where there is none.
Note* LastFailure(absl::Span<Note* const> notes);

// Whether the request, which made no attempt itself, may have ended for a
// subrequest that did (`auth_request`).
bool EndedForSubrequest(const RequestFacts& request);

// `subrequest`: the last one with a failure, where EndedForSubrequest and there
// is one; else nullptr.
Outcome DecideOutcome(const RequestFacts& request,
                      const RequestFacts* subrequest);

// Whether a subrequest with the outcome `own` was rescued: its main request
// was, and its failure is no part of what the client got. Nobody waits for the
// response of one in the `background`.
bool IsSubrequestRescued(const Outcome& own, bool background,
                         const Outcome& main);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_OUTCOME_H_
