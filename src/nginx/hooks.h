// The upstreams of the configuration, found by their address: their names,
// their rows in the store, and what was taken over from them.

#ifndef UPSTREAM_502_SRC_NGINX_HOOKS_H_
#define UPSTREAM_502_SRC_NGINX_HOOKS_H_

#include "ngx_cxx.h"

#include "absl/strings/string_view.h"
#include "conf.h"
#include "upstream_502/store/kind.h"
#include "upstream_502/words/text.h"

namespace upstream_502 {

using FinalizeHandler = void (*)(ngx_http_request_t* r, ngx_int_t rc);

// One upstream of the configuration, also the implicit one of
// `proxy_pass http://host`.
struct UpstreamHook {
  ngx_http_upstream_srv_conf_t* upstream;
  ngx_http_upstream_init_peer_pt init;  // what `peer.init` was
  // What `u->finalize_request` is of its runs; nullptr until one was counted.
  FinalizeHandler finalize;
  ngx_str_t name;
  uint32_t row;  // in the store
  // What its runs speak, once one was counted, and whether that one used TLS.
  Protocol protocol;
  bool tls;
  bool grpc;
  bool own_peers;  // kept in nginx's form, see servers.h
};

// Puts `init` in the place of every configured upstream's `peer.init`. False
// when memory is out.
bool HookUpstreams(ngx_conf_t* cf, ngx_http_upstream_init_peer_pt init);

// Gives every hooked upstream its row in the store.
void RegisterUpstreams(MainConf* conf);
// The same for those that there was no room for, where there is some now.
// Whether there are such yet.
bool FindMissingRows(MainConf* conf);

// The hook of `upstream`, or the free place where it would be. There is always
// one: most places stay free. Only where there are hooks.
inline UpstreamHook* HookPlace(const MainConf& conf, const void* upstream) {
  const uint64_t hash = reinterpret_cast<uintptr_t>(upstream) * kMultiplier;
  uint64_t at = hash >> 32 & conf.hook_mask;
  while (conf.hooks[at].upstream != upstream &&
         conf.hooks[at].upstream != nullptr) {
    at = (at + 1) & conf.hook_mask;
  }
  return &conf.hooks[at];
}

// nullptr for an upstream that was not there when hooks were set.
inline UpstreamHook* FindHook(const MainConf& conf,
                              const ngx_http_upstream_srv_conf_t* upstream) {
  if (conf.hook_mask == 0 || upstream == nullptr) {
    return nullptr;
  }
  UpstreamHook* hook = HookPlace(conf, upstream);
  return hook->upstream != nullptr ? hook : nullptr;
}

// The hook of `u`'s upstream; nullptr for a target from a variable.
UpstreamHook* HookOf(ngx_http_request_t* r, const ngx_http_upstream_t* u);

// By which name an upstream is counted.
struct CountedAs {
  absl::string_view name;
  UpstreamKind kind = UpstreamKind::kConfigured;
  absl::string_view target = {};  // see FailureText
};

// How `u`'s upstream is: as users wrote it, where it is configured. Where it
// comes from a variable, by the `location` that asks, or by what it resolved
// to, if that is wanted and it did; in the request's pool.
CountedAs HowCounted(ngx_http_request_t* r, const ngx_http_upstream_t* u,
                     void* const* location);

// Its row, made where there is none.
uint32_t RowOf(MainConf* conf, const CountedAs& counted);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_HOOKS_H_
