// One line for an operator: what a failure means and what to look at.
//
//   Hint({.cause = Cause::kHeaderTooBig, .protocol = Protocol::kFastcgi}, {})
//   == "… raise fastcgi_buffer_size …"

#ifndef UPSTREAM_502_ADVICE_HINT_H_
#define UPSTREAM_502_ADVICE_HINT_H_

#include <string>

#include "upstream_502/store/event.h"
#include "upstream_502/words/failure.h"
#include "upstream_502/words/finding.h"

namespace upstream_502 {

// The cause's hint from the table with the protocol's own words in it
// (directive names, PHP-FPM's settings). Plain ASCII, no line break, no full
// stop at the end, at most 300 bytes. The log variable, the reports and the
// page all show this.
std::string Hint(const Failure& failure, const FailureText& text);

// What to do about a finding that leads, with the protocol's own words; where
// nginx's message tells more than it, what that tells.
std::string HintOf(Finding finding, const Failure& failure,
                   const FailureText& text);

// What `hint` becomes where a server has never answered so far: it stays where
// nginx's message tells more than that.
std::string HintOfSilence(const Failure& failure, const FailureText& text,
                          const std::string& hint);

inline std::string Hint(const Event& event) {
  return Hint(event.failure, TextOf(event));
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_HINT_H_
