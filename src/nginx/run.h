// Runs of an upstream: one begins when nginx has chosen the upstream, and ends
// when it finalizes it. A run is plain as long as nothing is kept of it; nearly
// every one is so to its end.

#ifndef UPSTREAM_502_SRC_NGINX_RUN_H_
#define UPSTREAM_502_SRC_NGINX_RUN_H_

#include "ngx_cxx.h"

#include "context.h"

namespace upstream_502 {

// In the place of a configured upstream's `peer.init`.
ngx_int_t BeginRun(ngx_http_request_t* r,
                   ngx_http_upstream_srv_conf_t* upstream);

// Makes `u`'s run, which began with element `begin`, the open one of `r`'s
// context, and hooks its end; once per run. nullptr when memory is out.
Context* OpenRun(ngx_http_request_t* r, ngx_http_upstream_t* u,
                 UpstreamHook* hook, uint32_t begin);

// The context of `r`, where its upstream is at work with that run open. nullptr
// where there is none.
Context* TakeContext(ngx_http_request_t* r);

// The context of `r` for a line about its upstream, with that run open; nullptr
// where the line is of no run. Only one that tells a `failure` may be of a run
// that has not begun.
Context* TakeContextForLine(ngx_http_request_t* r, bool failure);

// Where the last run of `r` begins: behind the last separator.
uint32_t RunBegin(const ngx_http_request_t* r);

// Counts the last run of `r` where it is over and no hook has seen its end:
// it ended in `status` before it began, a module has unhooked it, or it had a
// target from a variable whose response never came to the header filter
// (intercepted, X-Accel-Redirect, read into memory).
void CatchUp(ngx_http_request_t* r, int status);

// The same for `r` (a main request) and all its subrequests.
void Settle(ngx_http_request_t* r);

// The status the client gets, as $status.
inline int RequestStatus(const ngx_http_request_t* r) {
  if (r->err_status != 0) {
    return static_cast<int>(r->err_status);
  }
  if (r->headers_out.status == 0 && r->http_version == NGX_HTTP_VERSION_9) {
    return 9;
  }
  return static_cast<int>(r->headers_out.status);
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RUN_H_
