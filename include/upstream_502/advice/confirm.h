// The commands that confirm a finding or refute it, filled in as checks are
// (checks.h), most useful first:
//
//   Confirm(Finding::kPortClosed, {}, {.peer = "127.0.0.1:3001"}, nullptr)
//   == {"ss -Hltnp 'sport = :3001'", …}
//
// Empty where the cause's own checks do that.

#ifndef UPSTREAM_502_ADVICE_CONFIRM_H_
#define UPSTREAM_502_ADVICE_CONFIRM_H_

#include <string>
#include <vector>

#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"
#include "upstream_502/words/finding.h"

namespace upstream_502 {

std::vector<std::string> Confirm(Finding finding, const Failure& failure,
                                 const FailureText& text,
                                 const Evidence* evidence);

// Those that tell whether a server that never answers speaks something else
// than it is asked in.
std::vector<std::string> ConfirmSilence(const Failure& failure,
                                        const FailureText& text,
                                        const Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_CONFIRM_H_
