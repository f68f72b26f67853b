// The log tap: sees every error line of a request before it is written, and
// whose upstream was at work. What users find in their logs does not change.

#ifndef UPSTREAM_502_SRC_NGINX_TAP_H_
#define UPSTREAM_502_SRC_NGINX_TAP_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// Puts the tap's log into the list of an `error_log`, once per list. False
// when memory is out.
bool InsertTap(ngx_conf_t* cf, ngx_log_t* head);

// Has a main request tell the tap whom a line is about. May be called again.
void WatchRequest(ngx_http_request_t* r);

// The request is about to go: forget what the tap noted of it.
void ForgetRequest(const ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_TAP_H_
