// The module as nginx sees it: its hooks, in the order in which they run.

#include "ngx_cxx.h"

#include <algorithm>
#include <new>

#include "abi.h"
#include "bridge.h"
#include "capture.h"
#include "directives.h"
#include "filter.h"
#include "finish.h"
#include "incident_log.h"
#include "probe.h"
#include "rounds.h"
#include "run.h"
#include "state.h"
#include "variables.h"

namespace upstream_502 {
namespace {

ngx_http_handler_pt next_preaccess_handler;

ngx_int_t Decline(ngx_http_request_t*) { return NGX_DECLINED; }

// The request goes on from a location with an upstream to another one, or
// will end unseen: Settle finds it by its context. Not inline, as others below:
// a success should not save registers that only this needs.
[[gnu::noinline]] ngx_int_t LeaveLocation(ngx_http_request_t* r) {
  Guarded(r, [r] {
    if (r->subrequest_in_memory) {
      FindOrAddContext(r);
    }
    CatchUp(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
  });
  return next_preaccess_handler(r);
}

// Every way to an upstream leads through the PREACCESS phase, also that of
// subrequests, named locations and error pages of requests that are not valid.
ngx_int_t EnterLocation(ngx_http_request_t* r) {
  WatchConnection(r->connection);
  return r->upstream != nullptr || r->subrequest_in_memory
             ? LeaveLocation(r)
             : next_preaccess_handler(r);
}

// Whether a request of the family of `r` has attempts that are not counted.
bool HasUnsettled(const ngx_http_request_t* r) {
  const Context* context = NewestContext(r);
  while (context != nullptr && !IsUnsettled(*context)) {
    context = context->older;
  }
  return context != nullptr;
}

// Whether the family of `r`, a main request, may have contexts.
bool MayHaveContexts(const ngx_http_request_t* r) {
  return AttachedContext(r) != nullptr || MayBeDetached(r);
}

[[gnu::noinline]] ngx_int_t SettleOther(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  if ((u != nullptr && u->upstream == nullptr) || HasUnsettled(r)) {
    Guarded(r, [r] { Settle(r); });
  }
  return NGX_OK;
}

// Log phase, before the access log: its variables speak of what is settled.
// A run whose u->upstream is set was seen, or is not to be counted.
ngx_int_t SettleRequest(ngx_http_request_t* r) {
  const ngx_http_upstream_t* u = r->upstream;
  return r == r->main && ((u != nullptr && u->upstream == nullptr) ||
                          MayHaveContexts(r))
             ? SettleOther(r)
             : NGX_OK;
}

// As RequestStatus, but for statuses that are no gateway's.
bool MayBeGateway(const ngx_http_request_t* r) {
  return IsGatewayStatus(static_cast<int>(
      r->err_status != 0 ? r->err_status : r->headers_out.status));
}

[[gnu::noinline]] ngx_int_t FinishOther(ngx_http_request_t* r) {
  if (NewestContext(r) != nullptr || IsGatewayStatus(RequestStatus(r))) {
    Guarded(r, [r] { Finish(r); });
  }
  return NGX_OK;
}

// Log phase, after the access log, whose variables may ask for more.
ngx_int_t FinishRequest(ngx_http_request_t* r) {
  return r == r->main && (MayHaveContexts(r) || MayBeGateway(r))
             ? FinishOther(r)
             : NGX_OK;
}

bool AddPhaseHandler(ngx_http_phases phase, ngx_http_handler_pt handler,
                     bool first, ngx_conf_t* cf) {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  ngx_array_t& handlers = core->phases[phase].handlers;
  auto* added = static_cast<ngx_http_handler_pt*>(ngx_array_push(&handlers));
  if (added == nullptr) {
    return false;
  }
  *added = handler;
  if (first) {
    std::rotate(static_cast<ngx_http_handler_pt*>(handlers.elts), added,
                added + 1);
  }
  return true;
}

// Puts EnterLocation in front of the handler that comes first in its phase,
// there and not beside it: a phase handler costs a request more than what
// EnterLocation does.
bool WatchLocations(ngx_conf_t* cf) {
  auto* core = static_cast<ngx_http_core_main_conf_t*>(
      ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  ngx_array_t& handlers = core->phases[NGX_HTTP_PREACCESS_PHASE].handlers;
  if (handlers.nelts == 0) {
    next_preaccess_handler = Decline;
    return AddPhaseHandler(NGX_HTTP_PREACCESS_PHASE, EnterLocation, false, cf);
  }
  // nginx calls the last one first.
  auto* first =
      static_cast<ngx_http_handler_pt*>(handlers.elts) + handlers.nelts - 1;
  next_preaccess_handler = *first;
  *first = EnterLocation;
  return true;
}

// The first exception of a thread takes memory for all of them, and where there
// is none the process is ended: it must not be the one that says so. Workers
// inherit that memory.
void ThrowOnce() {
  try {
    throw std::bad_alloc();
  } catch (const std::bad_alloc&) {
    return;
  }
}

ngx_int_t BeforeConfiguration(ngx_conf_t* cf) {
  ThrowOnce();
  return Guarded(cf->log, ngx_int_t{NGX_ERROR}, [cf]() -> ngx_int_t {
    return FitsServer(cf) && AddVariables(cf) ? NGX_OK : NGX_ERROR;
  });
}

ngx_int_t InstallHooks(ngx_conf_t* cf) {
  return Guarded(cf->log, ngx_int_t{NGX_ERROR}, [cf]() -> ngx_int_t {
    IndexRequestId(cf);
    InsertHeaderFilter();
    FindProxyV2(cf);
    const bool installed =
        HookUpstreams(cf, BeginRun) && WatchLocations(cf) &&
        AddPhaseHandler(NGX_HTTP_LOG_PHASE, SettleRequest, true, cf) &&
        AddPhaseHandler(NGX_HTTP_LOG_PHASE, FinishRequest, false, cf);
    return installed ? NGX_OK : NGX_ERROR;
  });
}

MainConf* CycleConf(ngx_cycle_t* cycle) {
  return static_cast<MainConf*>(
      ngx_http_cycle_get_module_main_conf(cycle, ngx_http_upstream_502_module));
}

ngx_int_t InitModule(ngx_cycle_t* cycle) {
  return Guarded(cycle->log, ngx_int_t{NGX_OK}, [cycle]() -> ngx_int_t {
    MainConf* conf = CycleConf(cycle);
    if (conf != nullptr && conf->zone.store) {
      if (!ngx_test_config) {
        StartState(cycle, &conf->zone);
      }
      conf->zone.store.SetInactive(conf->zone.inactive);
      conf->zone.generation = conf->zone.store.NoteLoad(NowMs());
      RegisterInMaster(conf);
    }
    return NGX_OK;
  });
}

ngx_int_t InitProcess(ngx_cycle_t* cycle) {
  MainConf* conf = CycleConf(cycle);
  if (conf != nullptr) {
    ReleaseMasterResources(&conf->zone);
    Guarded(cycle->log, [cycle, conf] {
      StartRounds(cycle, conf);
      StartProbing(cycle);
      StartIncidentLog(cycle, conf);
    });
  }
  return NGX_OK;
}

void ExitProcess(ngx_cycle_t* cycle) {
  Guarded(cycle->log, [cycle] {
    StopProbing();
    if (MainConf* conf = CycleConf(cycle)) {
      StopRounds(conf);
    }
  });
}

void ExitMaster(ngx_cycle_t* cycle) {
  MainConf* conf = CycleConf(cycle);
  if (conf != nullptr) {
    Guarded(cycle, [&] { EndState(cycle, &conf->zone); });
  }
}

ngx_http_module_t context = {
    .preconfiguration = BeforeConfiguration,
    .postconfiguration = InstallHooks,
    .create_main_conf = CreateMainConf,
    .init_main_conf = InitMainConf,
    .create_srv_conf = nullptr,
    .merge_srv_conf = nullptr,
    .create_loc_conf = CreateLocConf,
    .merge_loc_conf = MergeLocConf,
};

}  // namespace
}  // namespace upstream_502

#pragma pop_macro("nginx_version")

ngx_module_t ngx_http_upstream_502_module = {
    NGX_MODULE_V1,
    &upstream_502::context,
    upstream_502::commands,
    NGX_HTTP_MODULE,
    nullptr,                    // init master
    upstream_502::InitModule,   // init module
    upstream_502::InitProcess,  // init process
    nullptr,                    // init thread
    nullptr,                    // exit thread
    upstream_502::ExitProcess,  // exit process
    upstream_502::ExitMaster,   // exit master
    NGX_MODULE_V1_PADDING,
};
