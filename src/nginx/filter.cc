// Sees each response header on its way out.

#include "ngx_cxx.h"

#include "filter.h"

#include "bridge.h"
#include "proxy_status.h"
#include "run.h"
#include "status.h"

namespace upstream_502 {
namespace {

ngx_http_output_header_filter_pt next_header_filter;

// A run that no other hook has seen: a target from a variable.
void SeeRun(ngx_http_request_t* r, ngx_http_upstream_t* u) {
  // u->cleanup is set while a run is at work.
  if (u->cleanup == nullptr) {
    CatchUp(r, RequestStatus(r));
  } else if (u->upstream == nullptr && GetLocConf(r)->enable) {
    OpenRun(r, u, nullptr, RunBegin(r));
  }
}

// An error in a status location, also one that nginx makes before it comes to
// the handler there: from limit_req, deny, auth_basic ...
bool IsStatusError(const ngx_http_request_t* r) {
  return r->headers_out.status >= NGX_HTTP_BAD_REQUEST &&
         r->content_handler == HandleStatus;
}

[[gnu::noinline]] ngx_int_t FilterOtherHeader(ngx_http_request_t* r) {
  if (r->upstream != nullptr) {
    Guarded(r, [r] { SeeRun(r, r->upstream); });
  }
  if (r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR && r == r->main &&
      GetLocConf(r)->proxy_status &&
      !Guarded(r, false, [r] { return AddProxyStatus(r); })) {
    return NGX_ERROR;
  }
  if (IsStatusError(r) && !AddSafeHeaders(r)) {
    return NGX_ERROR;
  }
  return next_header_filter(r);
}

// Whether the run of `u`, which has a hook, is over and counted.
bool IsCounted(const ngx_http_request_t* r, const ngx_http_upstream_t* u) {
  const Context* context = AttachedContext(r);
  return u->upstream != nullptr && context != nullptr && !context->open;
}

ngx_int_t FilterHeader(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  if ((u != nullptr && (u->upstream == nullptr || u->cleanup == nullptr) &&
       !IsCounted(r, u)) ||
      (r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR &&
       GetLocConf(r)->proxy_status) ||
      IsStatusError(r)) {
    return FilterOtherHeader(r);
  }
  return next_header_filter(r);
}

}  // namespace

void InsertHeaderFilter() {
  next_header_filter = ngx_http_top_header_filter;
  ngx_http_top_header_filter = FilterHeader;
}

}  // namespace upstream_502
