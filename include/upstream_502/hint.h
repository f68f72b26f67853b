// One line for an operator: what a failure means and what to look at.
//
//   Hint({.cause = Cause::kHeaderTooBig, .protocol = Protocol::kFastcgi})
//   == "… raise fastcgi_buffer_size …"

#ifndef UPSTREAM_502_HINT_H_
#define UPSTREAM_502_HINT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/cause.h"
#include "upstream_502/event.h"

namespace upstream_502 {

struct HintInput {
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  Protocol protocol = Protocol::kUnknown;
  absl::string_view peer = "";  // "127.0.0.1:9000", "unix:/run/app.sock", ""
  int received_status = 0;      // 0: none
  int64_t limit = -1;           // what decided: a timeout in ms or a buffer's
                                // size in bytes; -1: not known
};

// The cause's hint from the table with the protocol's own words in it
// (directive names, PHP-FPM's settings). Plain ASCII, no line break, no full
// stop at the end, at most 300 bytes.
std::string Hint(const HintInput& input);

// What is to say of one failure: the log variable, the reports and the page
// all show this.
std::string Hint(const Event& event);

}  // namespace upstream_502

#endif  // UPSTREAM_502_HINT_H_
