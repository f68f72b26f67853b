#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include "absl/types/span.h"
#include "account.h"
#include "bridge.h"
#include "run.h"

namespace upstream_502 {
namespace {

// The first run of its request, in the upstream's own protocol.
bool MayBeUsual(const ngx_http_request_t* r, const ngx_http_upstream_t& u,
                const UpstreamHook& hook) {
  return r->upstream_states != nullptr && r->upstream_states->nelts == 0 &&
         u.cleanup != nullptr && hook.finalize != nullptr &&
         u.finalize_request == hook.finalize;
}

// Counts the run if it is one more like those before it; see CountPlainRun.
// Inline and without a call: most requests pay for this and for nothing else.
bool CountUsualRun(const ngx_http_request_t* r, uint32_t row, ngx_int_t rc) {
  const ngx_http_upstream_t& u = *r->upstream;
  if (rc > 0 || r->upstream_states->nelts != 1) {
    return false;
  }
  const State& state = States(r)[0];
  if (state.peer == nullptr || state.header_time == kUnsetTime ||
      IsGatewayStatus(state.status) || ServedStale(&u) || EndedShort(&u)) {
    return false;
  }
  MainConf* conf = GetMainConf(r);
  Store& store = conf->zone.store;
  const uint32_t peer = *RememberedRow(conf, state.peer);
  return store.IsPeer(peer, row,
                      reinterpret_cast<const char*>(state.peer->data),
                      state.peer->len) &&
         store.AddSuccess(row, peer, static_cast<uint32_t>(ngx_worker),
                          NowMs());
}

// A run ended that may be usual after all, or is not.
[[gnu::noinline]] void FinalizeOtherRun(ngx_http_request_t* r, ngx_int_t rc) {
  ngx_http_upstream_t* u = r->upstream;
  UpstreamHook* hook = FindHook(*GetMainConf(r), u->upstream);
  if (hook == nullptr) {
    return;  // cannot be: the run began with it
  }
  u->finalize_request = hook->finalize;
  Guarded(r, [&] {
    const int status = static_cast<int>(rc);
    if (!CountPlainRun(r, *hook, status)) {
      // Now: u->cleanup is gone, so that nothing would end it with `rc`.
      Record* record = OpenRun(r, u, hook, 0);
      if (record != nullptr) {
        AccountRun(record, status);
      }
    }
  });
  u->finalize_request(r, rc);
}

// Any beginning of a run.
[[gnu::noinline]] ngx_int_t InitPeerOfOther(
    ngx_http_request_t* r, ngx_http_upstream_srv_conf_t* upstream) {
  UpstreamHook* hook = FindHook(*GetMainConf(r), upstream);
  if (hook == nullptr) {
    return NGX_ERROR;  // cannot be: only hooked upstreams come here
  }
  ngx_http_upstream_t* u = r->upstream;
  if (u != nullptr && u->upstream == upstream && GetLocConf(r)->enable) {
    Guarded(r, [&] {
      if (MayBeUsual(r, *u, *hook) && FindRecord(r) == nullptr) {
        u->finalize_request = FinalizeUsualRun;
      } else {
        OpenRun(r, u, hook, StateCount(r));
      }
    });
  }
  return hook->init(r, upstream);
}

// In place of a configured upstream's `peer.init`. The usual request is done
// with here: the rest is kept out of its way.
ngx_int_t InitPeer(ngx_http_request_t* r,
                   ngx_http_upstream_srv_conf_t* upstream) {
  const UpstreamHook* hook = FirstHook(*GetMainConf(r), upstream);
  ngx_http_upstream_t* u = r->upstream;
  if (hook->upstream != upstream || u == nullptr || u->upstream != upstream ||
      !GetLocConf(r)->enable || MayBeDetached(r) ||
      ngx_http_get_module_ctx(r, ngx_http_upstream_502_module) != nullptr ||
      !MayBeUsual(r, *u, *hook)) [[unlikely]] {
    return InitPeerOfOther(r, upstream);
  }
  u->finalize_request = FinalizeUsualRun;
  return hook->init(r, upstream);
}

}  // namespace

void FinalizeRun(ngx_http_request_t* r, ngx_int_t rc) {
  Record* record = FindRecord(r);
  if (record == nullptr || record->finalize == nullptr) {
    return;  // cannot be: the hook is only set together with a record
  }
  const FinalizeHandler finalize = record->finalize;
  Guarded(r, [&] { AccountRun(record, static_cast<int>(rc)); });
  r->upstream->finalize_request = finalize;
  finalize(r, rc);
}

void FinalizeUsualRun(ngx_http_request_t* r, ngx_int_t rc) {
  ngx_http_upstream_t* u = r->upstream;
  MainConf* conf = GetMainConf(r);
  const UpstreamHook* hook = FirstHook(*conf, u->upstream);
  if (hook->upstream != u->upstream || !CountUsualRun(r, hook->row, rc))
      [[unlikely]] {
    FinalizeOtherRun(r, rc);
    return;
  }
  u->finalize_request = hook->finalize;
  hook->finalize(r, rc);
}

bool HookUpstreams(ngx_conf_t* cf) {
  auto* main = static_cast<MainConf*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_502_module));
  auto* umcf = static_cast<ngx_http_upstream_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module));
  auto** upstreams =
      static_cast<ngx_http_upstream_srv_conf_t**>(umcf->upstreams.elts);
  const ngx_uint_t count = umcf->upstreams.nelts;
  ngx_uint_t places = 8;
  while (places < 4 * count) {
    places *= 2;
  }
  main->hooks = static_cast<UpstreamHook*>(
      ngx_pcalloc(cf->pool, places * sizeof(UpstreamHook)));
  if (main->hooks == nullptr) {
    return false;
  }
  main->hook_mask = places - 1;
  for (ngx_uint_t i = 0; i < count; ++i) {
    if (upstreams[i]->peer.init == nullptr) {
      continue;
    }
    UpstreamHook* hook = AddHook(main, upstreams[i]);
    hook->init = upstreams[i]->peer.init;
    hook->name = ConfiguredName(cf->pool, upstreams[i]);
    hook->row = kOtherUpstream;
    upstreams[i]->peer.init = InitPeer;
  }
  return true;
}

void RegisterUpstreams(MainConf* conf) {
  if (conf->hook_mask == 0) {
    return;
  }
  for (UpstreamHook& hook : absl::MakeSpan(conf->hooks, conf->hook_mask + 1)) {
    if (hook.upstream != nullptr) {
      hook.row = conf->zone.store.FindOrAddUpstream(View(hook.name),
                                                    Protocol::kUnknown);
    }
  }
}

Record* OpenRun(ngx_http_request_t* r, ngx_http_upstream_t* u,
                UpstreamHook* hook, uint32_t begin) {
  Record* record = FindOrAddRecord(r);
  if (record == nullptr || u->finalize_request == FinalizeRun) {
    return record;
  }
  if (u->finalize_request == FinalizeUsualRun && hook != nullptr) {
    u->finalize_request = hook->finalize;
  }
  if (record->open && record->upstream != u) {
    CloseRun(record, NGX_HTTP_INTERNAL_SERVER_ERROR);
  }
  if (!record->open) {
    ++record->runs;
  }
  record->Begin(u, hook, begin);
  // Before u->cleanup is set the run may yet end without being finalized.
  if (u->cleanup != nullptr && u->finalize_request != nullptr) {
    record->finalize = u->finalize_request;
    u->finalize_request = FinalizeRun;
  }
  return record;
}

Record* TakeRecordForLine(ngx_http_request_t* r, bool failure) {
  ngx_http_upstream_t* u = r->upstream;
  if (u->finalize_request == FinalizeRun) {
    return FindRecord(r);
  }
  if (u->cleanup != nullptr) {
    return OpenRun(r, u, HookOf(r, u), RunBegin(r));
  }
  const Record* record = FindRecord(r);
  const bool over = record != nullptr && record->upstream == u && !record->open;
  return failure && !over ? OpenRun(r, u, HookOf(r, u), StateCount(r))
                          : nullptr;
}

}  // namespace upstream_502
