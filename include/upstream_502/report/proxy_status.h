// The list member of the Proxy-Status field (RFC 9209): tells a client, or the
// next proxy, which side failed and why.
//
//   ProxyStatus("nginx", &failure, text, Origin::kNginx, /*details=*/false)
//   == "nginx; error=connection_refused"

#ifndef UPSTREAM_502_REPORT_PROXY_STATUS_H_
#define UPSTREAM_502_REPORT_PROXY_STATUS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// Who nginx says it is unless it is told another name.
inline constexpr absl::string_view kProxyName = "nginx";

// Of a response that has a `failure` (else nullptr) or is a gateway response of
// that `origin`. Of `text` it tells peer and message, both only with `details`:
// those are for eyes of one's own. `text.message` is there in any case.
std::string ProxyStatus(absl::string_view name, const Failure* failure,
                        const FailureText& text, Origin origin, bool details);

// Whether `name` may stand in the field as it is: an sf-token of RFC 8941.
bool IsProxyName(absl::string_view name);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_PROXY_STATUS_H_
