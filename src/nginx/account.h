// The one place that turns nginx's state elements into counts and failed
// attempts. A cursor in the context lets everybody ask and nothing be counted
// twice.

#ifndef UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
#define UPSTREAM_502_SRC_NGINX_ACCOUNT_H_

#include "ngx_cxx.h"

#include "answer.h"
#include "bridge.h"
#include "context.h"
#include "peers.h"
#include "upstream_502/verdict/outcome.h"
#include "upstream_502/words/shortcuts.h"

namespace upstream_502 {

// The open run has ended with nginx's `rc`: counts it and closes it.
void AccountRun(Context* context, int rc);

// The header of the run of `context`, which is open, is on its way to the
// client: makes its failed attempts known before it ends. They are counted
// then.
void Peek(Context* context);

// What the last attempt of `context`, whose run is over, has answered is of no
// use, as this line of its main request says: counts a failure, if it has none.
void AccountUseless(Context* context, absl::string_view message,
                    const Line& line);

inline bool ServedStale(const ngx_http_upstream_t* u) {
#if (NGX_HTTP_CACHE)
  return u->cache_status == NGX_HTTP_CACHE_STALE;
#else
  return false;
#endif
}

// Whether something may come of its status: an answer that was no HTTP has none
// where a cache is in use, and auth_request waits for one that it can use.
inline bool MayMatter(const ngx_http_request_t* r, const State& state) {
  const bool usual = state.status - 1 < NGX_HTTP_SPECIAL_RESPONSE - 1;
  return !usual && (state.status == 0 || r->waited ||
                    IsGatewayStatus(static_cast<int>(state.status)));
}

// Whether a plain run was one attempt that surely went well.
inline bool WentWell(const ngx_http_request_t* r, ngx_int_t rc) {
  if (rc > 0 || r->upstream_states->nelts != 1) {
    return false;
  }
  const State& state = States(r)[0];
  return state.peer != nullptr && state.header_time != kUnsetTime &&
         !MayMatter(r, state) && !ServedStale(r->upstream) &&
         !EndedShort(r->upstream);
}

// Counts such a run, whatever must be found or begun for that.
void CountFirstSuccess(const ngx_http_request_t* r, const UpstreamHook& hook);

// Counts it where its peer's row is remembered, the minute is open and there is
// no status of gRPC's to count, which has no pipe; else false, and nothing was
// counted. Most requests pay for this and for nothing else: inline, and without
// a call.
[[gnu::always_inline]] inline bool CountSuccess(const ngx_http_request_t* r,
                                                MainConf* conf,
                                                const UpstreamHook& hook) {
  if (r->upstream->pipe == nullptr && hook.grpc) {
    return false;
  }
  const ngx_str_t* name = States(r)[0].peer;
  // Copies: what IsPeer reads is atomic, and all else would be read twice.
  Store store = conf->zone.store;
  const uint32_t row = hook.row;
  const uint32_t peer = *PeerRowPlace(conf, name);
  return IsPeerRow(store, peer, row, name) &&
         store.AddSuccess(row, peer, static_cast<uint32_t>(ngx_worker),
                          NowMs());
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
