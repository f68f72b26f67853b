// The status location.

#ifndef UPSTREAM_502_SRC_NGINX_STATUS_H_
#define UPSTREAM_502_SRC_NGINX_STATUS_H_

#include "ngx_cxx.h"

namespace upstream_502 {

// The content handler of a location with `upstream_502_status`.
ngx_int_t HandleStatus(ngx_http_request_t* r);

// Adds what keeps a response out of caches and a browser from guessing its
// type, once; false when memory is out.
bool AddSafeHeaders(ngx_http_request_t* r);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_STATUS_H_
