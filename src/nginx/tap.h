// The log tap: hears every error nginx logs about a request whose upstream is
// at work, in nginx's own words. What users find in their logs does not change.

#ifndef UPSTREAM_502_SRC_NGINX_TAP_H_
#define UPSTREAM_502_SRC_NGINX_TAP_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// Puts the tap's log into the list of an `error_log`, once per list. False
// when memory is out.
bool InsertTap(ngx_conf_t* cf, ngx_log_t* head);

// Has a client's connection tell the tap of its lines. May be called again.
void WatchConnection(const ngx_connection_t* c);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_TAP_H_
