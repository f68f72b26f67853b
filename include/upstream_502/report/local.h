// Names of hosts and origins of pages: what a browser says of where a request
// goes and of where it comes from.

#ifndef UPSTREAM_502_REPORT_LOCAL_H_
#define UPSTREAM_502_REPORT_LOCAL_H_

#include "absl/strings/string_view.h"

namespace upstream_502 {

// "www.example.com:8080" in its parts. A dot that ends the host is left out;
// brackets of an IPv6 address belong to it. The port may be empty.
struct Authority {
  absl::string_view host;
  absl::string_view port;
};
Authority SplitAuthority(absl::string_view text);

// Of hosts, in any case of letters:

// "192.0.2.1" or "[2001:db8::1]", as browsers write them.
bool IsIpAddress(absl::string_view host);

// "localhost" or a name below it.
bool IsLocalhost(absl::string_view host);

// The name of a machine, or that up to its first dot.
bool IsHostname(absl::string_view host, absl::string_view hostname);

// Whether nginx would choose a server with this name in its `server_name`:
// "www.example.com", "*.example.com", "www.example.*" or ".example.com".
bool MatchesServerName(absl::string_view host, absl::string_view name);

// Whether an `Origin` is that of the server which `authority` leads to. The
// scheme only says which port is left out: it may end before nginx.
bool IsSameOrigin(absl::string_view origin, absl::string_view authority);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_LOCAL_H_
