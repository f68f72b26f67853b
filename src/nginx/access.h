// Who may see the status location, and who may reset it.

#ifndef UPSTREAM_502_SRC_NGINX_ACCESS_H_
#define UPSTREAM_502_SRC_NGINX_ACCESS_H_

#include "ngx_cxx.h"

#include <optional>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// The first field of this name, in lower case, of the request.
std::optional<absl::string_view> RequestHeader(const ngx_http_request_t* r,
                                               absl::string_view name);

// Whether the client is on this machine: the address its connection comes from
// is a loopback address or a unix socket, and so is every one that it, or a
// proxy before nginx, claims and nginx was told to believe.
bool IsLocalClient(const ngx_http_request_t* r);

// Whether a browser may be at the right place: the request's host is an
// address, localhost, this machine or a name of the server. Any other may be
// a name of somebody else's that was made to lead here.
bool IsKnownHost(const ngx_http_request_t* r);

// Whether a page of another site sends the request.
bool IsFromOtherSite(const ngx_http_request_t* r);

// What IsKnownHost needs of a server at work: nginx frees its names when it
// has read the configuration. nullptr when memory is out.
ngx_array_t* KeepServerNames(ngx_conf_t* cf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ACCESS_H_
