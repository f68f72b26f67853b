// The checks after an answer that came and was of no use to nginx: a slice that
// does not fit, what is not gzip, what auth_request cannot take.
//
//   AnswerChecks({.cause = Cause::kErrorStatus}, {.message = "missing slice
//   response"}, ParsePeer("127.0.0.1:80"))
//   == {"curl -sSg -m 90 -D - -o /dev/null -r 0-0 http://127.0.0.1:80/", …}

#ifndef UPSTREAM_502_ADVICE_ANSWER_CHECKS_H_
#define UPSTREAM_502_ADVICE_ANSWER_CHECKS_H_

#include <string>
#include <vector>

#include "upstream_502/advice/address.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// None where nginx's message tells nothing of that kind.
std::vector<std::string> AnswerChecks(const Failure& failure,
                                      const FailureText& text,
                                      const PeerAddress& address);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_ANSWER_CHECKS_H_
