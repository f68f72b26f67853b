// The checks after a failure of this machine's own: what it ran out of, and
// addresses that it does not have.
//
//   LocalChecks({.cause = Cause::kLocalExhausted, .errno_number = ENFILE}, {},
//               {}, nullptr)
//   == {"sysctl fs.file-nr  # open, unused, at most"}

#ifndef UPSTREAM_502_ADVICE_LOCAL_CHECKS_H_
#define UPSTREAM_502_ADVICE_LOCAL_CHECKS_H_

#include <string>
#include <vector>

#include "upstream_502/advice/address.h"
#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// In the order to run them. `evidence` is nullptr where nothing was asked.
std::vector<std::string> LocalChecks(const Failure& failure,
                                     const FailureText& text,
                                     const PeerAddress& address,
                                     const Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_LOCAL_CHECKS_H_
