// The commands to run and directives to look at after a failure, filled in
// with the real address, port, path or value, most useful first:
//
//   Checks({.cause = Cause::kConnectionRefused}, {.peer = "127.0.0.1:9000"})
//   == {"ss -ltnp 'sport = :9000'", …}
//
// Meant to be pasted into a shell or a configuration by an operator: what
// comes from outside is quoted, or left out where no quoting helps.

#ifndef UPSTREAM_502_ADVICE_CHECKS_H_
#define UPSTREAM_502_ADVICE_CHECKS_H_

#include <string>
#include <vector>

#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Of `text`: upstream, peer, message, method, and the URI where all failures
// have it. `evidence` is nullptr where nothing was asked.
std::vector<std::string> Checks(const Failure& failure, const FailureText& text,
                                const Evidence* evidence = nullptr);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_CHECKS_H_
