// The Proxy-Status field of RFC 9209 on its way to the client.

#ifndef UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_
#define UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_

#include "ngx_cxx.h"

#include <string>

#include "outcome.h"
#include "upstream_502/report/proxy_status.h"

namespace upstream_502 {

// The list member for `outcome`, which has a failure or is a gateway response.
std::string ProxyStatusOf(const RequestOutcome& outcome, absl::string_view name,
                          bool details);

// Adds the field to a gateway response where the location asks for it. False
// when memory is out.
bool AddProxyStatus(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_PROXY_STATUS_H_
