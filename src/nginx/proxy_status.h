// The Proxy-Status field of RFC 9209: tells a client, or the next proxy, which
// side failed and why.

#ifndef UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_
#define UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <string>

#include "absl/strings/string_view.h"
#include "outcome.h"

namespace upstream_502 {

// Who nginx says it is unless it is told another name.
inline constexpr absl::string_view kProxyName = "nginx";

// The list member for `outcome`, which has a failure or is a gateway response.
// `details` adds the peer and nginx's message: for eyes of one's own.
std::string ProxyStatus(absl::string_view name, const Outcome& outcome,
                        bool details);

// Adds the field to a gateway response where the location asks for it. False
// when memory is out.
bool AddProxyStatus(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_
