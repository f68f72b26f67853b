// Whether a name of the configuration leads elsewhere by now: nginx resolves
// the names of its upstreams once, when it loads them.

#ifndef UPSTREAM_502_SRC_NGINX_NAMES_H_
#define UPSTREAM_502_SRC_NGINX_NAMES_H_

#include "ngx_cxx.h"

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "hooks.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

// When a process starts that asks about failures.
void StartAskingNames();

// When it ends: takes back what nginx's resolver has not answered.
void StopAskingNames();

// An attempt on `peer`, as in $upstream_addr, has failed. If the configuration
// has a name for it, that is resolved anew by the resolver of the request's
// location, now and then, and never waited for; `evidence` gets what was last
// answered, if it does not have the peer's address any more. Nothing is asked
// without a resolver, or where `in_hosts` says that the name is, or may be, in
// /etc/hosts, which nginx's resolver does not read.
void AskName(ngx_http_request_t* r, const UpstreamHook& hook,
             absl::string_view peer,
             absl::FunctionRef<bool(absl::string_view name)> in_hosts,
             Evidence* evidence);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_NAMES_H_
