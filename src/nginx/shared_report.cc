// Copies and diagnoses the statistics, once for all who read them.

#include "ngx_cxx.h"

#include "shared_report.h"

#include "bridge.h"
#include "upstream_502/advice/explain.h"

namespace upstream_502 {
namespace {

// What is copied or diagnosed in one step: each takes some tenths of a
// millisecond.
constexpr size_t kCopyWork = 500;
constexpr size_t kDiagnoseWork = 60000;

}  // namespace

SharedReport::SharedReport(const MainConf& conf, bool hours)
    : conf_(conf), hours_(hours), begun_(ngx_current_msec), region_(kPages) {
  ngx_queue_init(&readers);
  const Region::Use use(&region_);
  report_ = new (region_.Allocate(sizeof(Report))) Report;
  NameServer();
  copier_.emplace(conf.zone.store, NowMs(), &report_->snapshot, hours);
}

bool SharedReport::Make() {
  const Region::Use use(&region_);
  failed_ = true;  // unless it comes to its end
  whole_ = !MakeNext();
  failed_ = false;
  return !whole_;
}

bool SharedReport::MakeNext() {
  if (copier_) {
    if (copier_->Next(kCopyWork)) {
      return true;
    }
    copier_.reset();
    diagnoser_.emplace(report_->snapshot);
    return true;
  }
  if (diagnoser_) {
    if (!diagnoser_->Next(kDiagnoseWork)) {
      report_->diagnoses = diagnoser_->Take();
      diagnoser_.reset();
    }
    return true;
  }
  if (!explained_) {
    ExplainIncidents(&report_->snapshot);
    explained_ = true;
    return true;
  }
  SortTroubled(report_);
  return false;
}

void SharedReport::NameServer() {
  Snapshot& snapshot = report_->snapshot;
  snapshot.zone.name = String(View(conf_.zone.name));
  snapshot.zone.size = conf_.zone.size;
  snapshot.server.hostname =
      String(View(const_cast<ngx_cycle_t*>(ngx_cycle)->hostname));
  snapshot.server.nginx_version = NGINX_VERSION;
  snapshot.server.module_version = UPSTREAM_502_VERSION;
  snapshot.server.pid = ngx_pid;
  const ngx_array_t& listening = const_cast<ngx_cycle_t*>(ngx_cycle)->listening;
  const auto* all = static_cast<const ngx_listening_t*>(listening.elts);
  for (ngx_uint_t i = 0; i < listening.nelts; ++i) {
    if (all[i].type == SOCK_STREAM) {
      snapshot.server.listens.emplace_back(View(all[i].addr_text));
    }
  }
}

}  // namespace upstream_502
