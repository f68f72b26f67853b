// The module as nginx sees it: its hooks, in the order in which they run.

#include "ngx_cxx.h"
// ngx_cxx.h comes first.
#include <algorithm>

#include "account.h"
#include "bridge.h"
#include "capture.h"
#include "conf.h"
#include "outcome.h"
#include "tap.h"
#include "variables.h"

namespace upstream_502 {
namespace {

// PREACCESS phase: every way to an upstream leads through here, also that of
// subrequests, named locations and error pages of requests that are not valid.
ngx_int_t EnterLocation(ngx_http_request_t* r) {
  WatchRequest(r->main);
  if (r->upstream != nullptr || r->subrequest_in_memory) {
    Guarded(r->connection->log, [r] {
      if (r->subrequest_in_memory) {
        FindOrAddRecord(r);  // it ends unseen: Settle finds it by its record
      }
      CatchUp(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    });
  }
  return NGX_DECLINED;
}

// Log phase, before the access log: its variables speak of what is settled.
ngx_int_t SettleRequest(ngx_http_request_t* r) {
  if (r == r->main) {
    Guarded(r->connection->log, [r] { Settle(r); });
  }
  return NGX_OK;
}

// Log phase, after the access log.
ngx_int_t FinishRequest(ngx_http_request_t* r) {
  if (r == r->main) {
    Guarded(r->connection->log, [r] { Finish(r); });
    // Last: what is logged while it is logged may have been noted, too.
    ForgetRequest(r);
  }
  return NGX_OK;
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

ngx_int_t AddVariablesBeforeConfiguration(ngx_conf_t* cf) {
  return Guarded(cf->log, ngx_int_t{NGX_ERROR}, [cf]() -> ngx_int_t {
    return AddVariables(cf) ? NGX_OK : NGX_ERROR;
  });
}

ngx_int_t InstallHooks(ngx_conf_t* cf) {
  return Guarded(cf->log, ngx_int_t{NGX_ERROR}, [cf]() -> ngx_int_t {
    IndexRequestId(cf);
    InsertHeaderFilter();
    const bool installed =
        HookUpstreams(cf) &&
        AddPhaseHandler(NGX_HTTP_PREACCESS_PHASE, EnterLocation, false, cf) &&
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
      conf->zone.store.NoteLoad(NowMs());
      RegisterUpstreams(conf);
    }
    return NGX_OK;
  });
}

ngx_int_t InitProcess(ngx_cycle_t* cycle) {
  MainConf* conf = CycleConf(cycle);
  if (conf != nullptr) {
    ReleaseMasterResources(&conf->zone);
  }
  return NGX_OK;
}

ngx_http_module_t context = {
    .preconfiguration = AddVariablesBeforeConfiguration,
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
    nullptr,                    // exit process
    nullptr,                    // exit master
    NGX_MODULE_V1_PADDING,
};
