// Says in the error log when an incident opens, and when it is over.

#include "ngx_cxx.h"

#include "incident_log.h"

#include <string>

#include "bridge.h"
#include "upstream_502/words/escape.h"
#include "upstream_502/words/format.h"

namespace upstream_502 {
namespace {

constexpr ngx_msec_t kLookEveryMs = 1000;

// The name may be one that a client chose.
std::string NameOf(const Incidents::Told& told) {
  std::string name;
  AppendPrintable(told.upstream, &name);
  return name;
}

void LogOver(Store* store) {
  Incidents incidents = store->incidents();
  Incidents::Told told;
  while (incidents.TellOver(NowMs(), &told)) {
    const std::string name = NameOf(told);
    const std::string lasted = DurationWords(told.end - told.start);
    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "upstream_502 incident %uL of \"%*s\" is over: %uL failures "
                  "in %*s",
                  told.id, name.size(), name.data(), told.failures,
                  lasted.size(), lasted.data());
  }
}

// Nothing else may happen for hours once all is well.
void Look(ngx_event_t* event) {
  auto* conf = static_cast<MainConf*>(event->data);
  Guarded(event->log, [conf] { LogOver(&conf->zone.store); });
  if (!ngx_exiting) {
    ngx_add_timer(event, kLookEveryMs);
  }
}

}  // namespace

void LogOpened(MainConf* conf, uint64_t id) {
  if (!conf->incident_log) {
    return;
  }
  const Incidents::Told told = conf->zone.store.incidents().TellOpened(id);
  const std::string name = NameOf(told);
  const std::string since = DurationWords(told.end - told.start);
  ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                "upstream_502 incident %uL of \"%*s\": %uL failures within "
                "%*s",
                told.id, name.size(), name.data(), told.failures, since.size(),
                since.data());
}

void StartIncidentLog(ngx_cycle_t* cycle, MainConf* conf) {
  if (!conf->incident_log || !conf->zone.store) {
    return;
  }
  ngx_event_t* event = &conf->incident_timer;
  event->handler = Look;
  event->data = conf;
  event->log = cycle->log;
  event->cancelable = 1;
  ngx_add_timer(event, kLookEveryMs);
}

}  // namespace upstream_502
