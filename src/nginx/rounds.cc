// A worker's turns of its event loop, said to the others.

#include "ngx_cxx.h"

#include "rounds.h"

#include "bridge.h"
#include "hooks.h"
#include "system/process.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr ngx_msec_t kRoundEveryMs = 5000;

// Also in a worker that only waits for its last requests: others wait for it.
void GoRound(ngx_event_t* event) {
  auto* conf = static_cast<MainConf*>(event->data);
  Guarded(event->log, [conf] {
    Store& store = conf->zone.store;
    if (TakeForgetting(store.arena(), NowMs())) {
      ForgetWriters(store.arena(), IsProcessGone);
    }
    store.KeepReserve(NowMs());
    PassRound(store.arena(), conf->writer);
    FindMissingRows(conf);
  });
  ngx_add_timer(event, kRoundEveryMs);
}

}  // namespace

void StartRounds(ngx_cycle_t* cycle, MainConf* conf) {
  conf->writer = kNoWriter;
  if (!conf->zone.store || ngx_process == NGX_PROCESS_HELPER) {
    return;
  }
  const Arena& arena = conf->zone.store.arena();
  ForgetWriters(arena, IsProcessGone);
  conf->writer =
      JoinWriters(arena, IdentifyProcess(ngx_pid), conf->zone.generation);
  // Rows may have gone between the master's look at them and this.
  RegisterUpstreams(conf);
  ngx_event_t* event = &conf->round_timer;
  event->handler = GoRound;
  event->data = conf;
  event->log = cycle->log;
  event->cancelable = 1;
  ngx_add_timer(event, kRoundEveryMs);
}

void StopRounds(MainConf* conf) {
  if (conf->zone.store) {
    LeaveWriters(conf->zone.store.arena(), conf->writer);
  }
}

}  // namespace upstream_502
