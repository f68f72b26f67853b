// Where runs begin and end.

#include "ngx_cxx.h"

#include "run.h"

#include <algorithm>

#include "account.h"
#include "bridge.h"
#include "place.h"
#include "upstream_502/verdict/log_line.h"

namespace upstream_502 {
namespace {

// The first run of its request, in the upstream's own protocol.
bool MayBePlain(ngx_http_request_t* r, const UpstreamHook& hook) {
  const ngx_http_upstream_t& u = *r->upstream;
  return kShortcuts && r->upstream_states != nullptr &&
         r->upstream_states->nelts == 0 && u.cleanup != nullptr &&
         u.finalize_request == hook.finalize && AttachedContext(r) == nullptr &&
         !MayBeDetached(r);
}

// Accounts the end of the open run before the upstream module hears of it.
void EndRun(ngx_http_request_t* r, ngx_int_t rc) {
  Context* context = FindContext(r);
  if (context == nullptr || context->finalize == nullptr) {
    return;  // cannot be: the hook is only set together with a context
  }
  const FinalizeHandler finalize = context->finalize;
  Guarded(r, [&] { AccountRun(context, static_cast<int>(rc)); });
  r->upstream->finalize_request = finalize;
  finalize(r, rc);
}

// What the two of a plain run lead to where it is not so plain. Not inline: a
// success should not save registers that only these need.
[[gnu::noinline]] ngx_int_t BeginOtherRun(
    ngx_http_request_t* r, ngx_http_upstream_srv_conf_t* upstream,
    UpstreamHook* hook) {
  Guarded(r, [&] { OpenRun(r, r->upstream, hook, StateCount(r)); });
  return hook->init(r, upstream);
}

[[gnu::noinline]] void EndOtherRun(ngx_http_request_t* r, UpstreamHook* hook,
                                   ngx_int_t rc) {
  Guarded(r, [&] {
    if (WentWell(r, rc)) {
      CountFirstSuccess(r, *hook);
      return;
    }
    // Now: u->cleanup is gone, so that nothing would end it with `rc`.
    Context* context = OpenRun(r, r->upstream, hook, 0);
    if (context != nullptr) {
      AccountRun(context, static_cast<int>(rc));
    }
  });
  r->upstream->finalize_request = hook->finalize;
  hook->finalize(r, rc);
}

// u->finalize_request of a plain run.
void EndPlainRun(ngx_http_request_t* r, ngx_int_t rc) {
  MainConf* conf = GetMainConf(r);
  UpstreamHook* hook = HookPlace(*conf, r->upstream->upstream);
  if (hook->upstream != r->upstream->upstream) {
    return;  // cannot be: the run began with it
  }
  if (!WentWell(r, rc) || !CountSuccess(r, conf, *hook)) {
    return EndOtherRun(r, hook, rc);
  }
  r->upstream->finalize_request = hook->finalize;
  hook->finalize(r, rc);
}

// The open run is over though no hook has seen its end. Where error_page has
// led to another location, `status` is that one's: what had not begun ended in
// 500.
[[gnu::noinline]] void CloseRun(Context* context, int status) {
  const bool gone_on = context->request->loc_conf != context->location;
  AccountRun(context, context->finalize != nullptr ? 0
                      : gone_on ? NGX_HTTP_INTERNAL_SERVER_ERROR
                                : status);
}

// No more is kept of the URI than each location allows that was asked, of what
// nginx has said before either.
void KeepLess(Context* context, RecordUri mode) {
  if (mode >= context->record_uri) {
    return;
  }
  context->record_uri = mode;
  for (Note* note : context->notes.all()) {
    absl::string_view* message = &note->attempt.message;
    *message = View(PoolCopy(context->request->pool,
                             WithoutUrl(*message, mode == RecordUri::kPath)));
  }
}

// A request that ended in 500 before its upstream was set up: nginx's
// upstream module gave up without a word.
bool FailedSilently(const ngx_http_request_t* r) {
  return r->err_status == 500 && r->upstream_states == nullptr &&
         !r->upstream->header_sent && r->upstream->headers_in.status_n == 0;
}

}  // namespace

ngx_int_t BeginRun(ngx_http_request_t* r,
                   ngx_http_upstream_srv_conf_t* upstream) {
  UpstreamHook* hook = HookPlace(*GetMainConf(r), upstream);
  if (hook->upstream != upstream) {
    return NGX_ERROR;  // only hooked upstreams come here, or copies of theirs
  }
  ngx_http_upstream_t* u = r->upstream;
  if (u != nullptr && u->upstream == upstream && GetLocConf(r)->enable) {
    if (!MayBePlain(r, *hook)) {
      return BeginOtherRun(r, upstream, hook);
    }
    u->finalize_request = EndPlainRun;
  }
  return hook->init(r, upstream);
}

Context* OpenRun(ngx_http_request_t* r, ngx_http_upstream_t* u,
                 UpstreamHook* hook, uint32_t begin) {
  Context* context = FindOrAddContext(r);
  if (context == nullptr || u->finalize_request == EndRun) {
    return context;
  }
  if (u->finalize_request == EndPlainRun && hook != nullptr) {
    u->finalize_request = hook->finalize;
  }
  if (context->open && context->upstream != u) {
    CloseRun(context, NGX_HTTP_INTERNAL_SERVER_ERROR);
  }
  if (!context->open) {
    ++context->runs;
  }
  context->upstream = u;
  context->hook = hook;
  // While it is at work the request goes nowhere.
  context->location =
      u->cleanup != nullptr ? r->loc_conf : AskingLocation(r, u);
  KeepLess(context,
           static_cast<RecordUri>(ConfOf(context->location)->record_uri));
  context->begin = begin;
  context->finalize = nullptr;
  context->open = true;
  // Before u->cleanup is set the run may yet end without being finalized.
  if (u->cleanup != nullptr && u->finalize_request != nullptr) {
    context->finalize = u->finalize_request;
    u->finalize_request = EndRun;
  }
  return context;
}

Context* TakeContext(ngx_http_request_t* r) {
  ngx_http_upstream_t* u = r->upstream;
  return u != nullptr && u->finalize_request == EndPlainRun
             ? OpenRun(r, u, HookOf(r, u), 0)
             : FindContext(r);
}

Context* TakeContextForLine(ngx_http_request_t* r, bool failure) {
  ngx_http_upstream_t* u = r->upstream;
  if (u->finalize_request == EndRun) {
    return FindContext(r);
  }
  if (u->cleanup != nullptr) {
    // A plain run is the first one.
    const uint32_t begin = u->finalize_request == EndPlainRun ? 0 : RunBegin(r);
    return OpenRun(r, u, HookOf(r, u), begin);
  }
  const Context* context = FindContext(r);
  const bool over =
      context != nullptr && context->upstream == u && !context->open;
  return failure && !over ? OpenRun(r, u, HookOf(r, u), StateCount(r))
                          : nullptr;
}

uint32_t RunBegin(const ngx_http_request_t* r) {
  uint32_t begin = StateCount(r);
  while (begin > 0 && !IsSeparator(States(r)[begin - 1])) {
    --begin;
  }
  return begin;
}

void CatchUp(ngx_http_request_t* r, int status) {
  ngx_http_upstream_t* u = r->upstream;
  if (u == nullptr || u->cleanup != nullptr) {
    return;  // none, or at work
  }
  Context* context = FindContext(r);
  if (context != nullptr && context->open) {
    CloseRun(context, status);
    return;
  }
  const bool silent =
      (context == nullptr || context->runs == 0) && FailedSilently(r);
  // Where `u->upstream` is set, the run was seen or is not to be counted. Who
  // asked for what is no URL is not known once error_page has led elsewhere: a
  // line was logged of it, where that counts.
  if (u->upstream != nullptr || (u->conf == nullptr && MayBeDetached(r)) ||
      (!silent &&
       StateCount(r) <= (context == nullptr ? 0 : context->accounted)) ||
      !AskingConf(r, u)->enable) {
    return;
  }
  context = OpenRun(r, u, HookOf(r, u), RunBegin(r));
  if (context != nullptr) {
    AccountRun(context, silent ? 500 : 0);
  }
}

void Settle(ngx_http_request_t* r) {
  for (Context* each = NewestContext(r); each != nullptr; each = each->older) {
    if (IsUnsettled(*each)) {
      CatchUp(each->request, RequestStatus(each->request));
    }
  }
  CatchUp(r, RequestStatus(r));
}

}  // namespace upstream_502
