// Whether an attempt failed, and why. A pure function of what nginx said and
// of what its structs said at that moment; every failure of nginx's upstream
// code gets a cause, kUnknown only where nothing fits.

#ifndef UPSTREAM_502_VERDICT_CLASSIFY_H_
#define UPSTREAM_502_VERDICT_CLASSIFY_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Nothing where `attempt` is no failed attempt. Times, bytes, limit and what is
// known of the request are not set.
std::optional<Failure> Classify(const Attempt& attempt);

// The `error` of a Proxy-Status member (RFC 9209) for a failure: that of the
// table of causes, or a nearer one where `message` or the kind of peer allows
// it. "" where there is none.
absl::string_view Rfc9209Error(Cause cause, absl::string_view message,
                               bool unix_socket);

}  // namespace upstream_502

#endif  // UPSTREAM_502_VERDICT_CLASSIFY_H_
