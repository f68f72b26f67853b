// The one place that turns nginx's state elements into counts and failed
// attempts. A cursor in the context lets everybody ask and nothing be counted
// twice.

#ifndef UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
#define UPSTREAM_502_SRC_NGINX_ACCOUNT_H_

#include "ngx_cxx.h"

#include "answer.h"
#include "bridge.h"
#include "context.h"
#include "upstream_502/verdict/outcome.h"
#include "upstream_502/words/shortcuts.h"

namespace upstream_502 {

// The open run has ended with nginx's `rc`: counts it and closes it.
void AccountRun(Context* context, int rc);

// The header of the open run is on its way to the client: makes its failed
// attempts known before it ends. They are counted then.
void Peek(Context* context);

// What the last attempt of `context`, whose run is over, has answered is of no
// use, as this line of its main request says: counts a failure, if it has none.
void AccountUseless(Context* context, absl::string_view message,
                    const Line& line);

// The row of the peer with this name, a string that stays where it is.
uint32_t FindPeerRow(MainConf* conf, uint32_t upstream, const ngx_str_t* name,
                     int64_t now);

// The same, where it was found before: rows are remembered by the address of
// the name.
inline uint32_t PeerRowOf(MainConf* conf, uint32_t upstream,
                          const ngx_str_t* name, int64_t now) {
  const uint64_t hash = reinterpret_cast<uintptr_t>(name) * kMultiplier;
  uint32_t* row = &conf->peer_rows[(hash >> 32) % std::size(conf->peer_rows)];
  if (!kShortcuts ||
      !conf->zone.store.IsPeer(*row, upstream,
                               reinterpret_cast<const char*>(name->data),
                               name->len)) {
    *row = FindPeerRow(conf, upstream, name, now);
  }
  return *row;
}

inline bool ServedStale(const ngx_http_upstream_t* u) {
#if (NGX_HTTP_CACHE)
  return u->cache_status == NGX_HTTP_CACHE_STALE;
#else
  return false;
#endif
}

// Whether more may come of it: an answer that was no HTTP has no status where a
// cache is in use, and auth_request waits for one that it can use.
inline bool MayMatterLater(const ngx_http_request_t* r, const State& state) {
  return state.status == 0 ||
         (state.status >= NGX_HTTP_SPECIAL_RESPONSE && r->waited);
}

// Counts a plain run, if it was one attempt that surely went well; else false,
// and nothing was counted. Most requests pay for this and for nothing else:
// inline, and without a call once peer and minute are known.
[[gnu::always_inline]] inline bool CountSuccess(const ngx_http_request_t* r,
                                                MainConf* conf,
                                                const UpstreamHook& hook,
                                                ngx_int_t rc) {
  const ngx_http_upstream_t& u = *r->upstream;
  if (rc > 0 || r->upstream_states->nelts != 1) {
    return false;
  }
  const State& state = States(r)[0];
  if (state.peer == nullptr || state.peer->len == 0 ||
      state.header_time == kUnsetTime ||
      IsGatewayStatus(static_cast<int>(state.status)) ||
      MayMatterLater(r, state) || ServedStale(&u) || EndedShort(&u)) {
    return false;
  }
  Store& store = conf->zone.store;
  const auto worker = static_cast<uint32_t>(ngx_worker);
  const int64_t now = NowMs();
  store.AddAttempt(PeerRowOf(conf, hook.row, state.peer, now), worker, now,
                   /*success=*/true);
  store.AddRequest(hook.row, worker, now, 1);
  if (hook.grpc) {
    CountGrpcStatus(u, &store, hook.row);
  }
  return true;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ACCOUNT_H_
