// Capture: the notes taken while an attempt is still open.

#ifndef UPSTREAM_502_SRC_NGINX_CAPTURE_H_
#define UPSTREAM_502_SRC_NGINX_CAPTURE_H_

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include "absl/strings/string_view.h"

namespace upstream_502 {

// Puts the header filter that sees runs which no other hook saw: targets from
// a variable that succeed.
void InsertHeaderFilter();

// Finds the module behind proxy_http_version 2, where nginx has it.
void FindProxyV2(ngx_conf_t* cf);

// An error line was logged while `sr`'s upstream was at work. `message` is
// nginx's own text without what surrounds it.
void CaptureLine(ngx_http_request_t* sr, absl::string_view message);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_CAPTURE_H_
