// The one place that turns nginx's state elements into counts and failed
// attempts. A cursor in the record lets everybody ask and nothing be counted
// twice.

#ifndef UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
#define UPSTREAM_502_SRC_NGINX_ACCOUNT_H_

#include "record.h"

namespace upstream_502 {

// The open run has ended with nginx's `rc`: counts it and closes it.
void AccountRun(Record* record, int rc);

// Counts a run that nothing is kept of, if it is one attempt that ended well.
// False: it is another, and nothing was counted.
bool CountPlainRun(const ngx_http_request_t* r, const UpstreamHook& hook,
                   int rc);

// The open run, if there is one, is over though no hook has seen its end: it
// ended in `status` before it began, or a module has unhooked it.
void CloseRun(Record* record, int status);

// Where the last run of `r` begins: behind the last separator.
uint32_t RunBegin(const ngx_http_request_t* r);

// Counts the last run of `r` where it is over and no hook has seen its end:
// a target from a variable whose response never came to the header filter
// (intercepted, X-Accel-Redirect, read into memory), or one to close.
void CatchUp(ngx_http_request_t* r, int status);

// The same for `r` (a main request) and all its subrequests.
void Settle(ngx_http_request_t* r);

// The header of the open run is on its way to the client: makes its failed
// attempts known before it ends. They are counted then.
void Peek(Record* record);

// The status the client gets, as $status.
inline int RequestStatus(const ngx_http_request_t* r) {
  return static_cast<int>(r->err_status != 0 ? r->err_status
                                             : r->headers_out.status);
}

template <typename Status>
bool IsGatewayStatus(Status status) {
  return status == NGX_HTTP_BAD_GATEWAY || status == NGX_HTTP_GATEWAY_TIME_OUT;
}

inline bool ServedStale(const ngx_http_upstream_t* u) {
#if (NGX_HTTP_CACHE)
  return u->cache_status == NGX_HTTP_CACHE_STALE;
#else
  return false;
#endif
}

// The connection ended, and with it a body shorter than was announced.
inline bool EndedShort(const ngx_http_upstream_t* u) {
  const ngx_event_pipe_t* pipe = u->pipe;
  return pipe != nullptr && pipe->upstream_eof && !pipe->upstream_done &&
         u->headers_in.content_length_n > 0 && pipe->read_length > 0 &&
         pipe->read_length < u->headers_in.content_length_n;
}

// Where the row of the peer with this name, a string that stays where it is,
// is remembered.
inline uint32_t* RememberedRow(MainConf* conf, const ngx_str_t* name) {
  constexpr size_t kPlaces = std::extent_v<decltype(MainConf::peer_rows)>;
  const uint64_t hash = reinterpret_cast<uintptr_t>(name) * kMultiplier;
  return &conf->peer_rows[(hash >> 32) % kPlaces];
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
