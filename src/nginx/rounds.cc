// A worker's turns of its event loop, said to the others.

#include "ngx_cxx.h"

#include "rounds.h"

#include <unistd.h>

#include "bridge.h"
#include "hooks.h"
#include "own_event.h"
#include "system/process.h"
#include "upstream_502/store/writers.h"

namespace upstream_502 {
namespace {

constexpr ngx_msec_t kRoundEveryMs = 5000;

void Join(MainConf* conf) {
  conf->writer = JoinWriters(conf->zone.store.arena(), IdentifyProcess(ngx_pid),
                             conf->zone.generation);
}

// True while there is something to wait for: a worker that has not come back
// yet, or room. A timer that nobody needs would make each of nginx's own
// dearer.
bool GoRound(MainConf* conf) {
  Store& store = conf->zone.store;
  const Arena& arena = store.arena();
  // Others have rung for what came before: only a round begun here is told.
  conf->zone.rung = arena.header->round.load();
  if (TakeForgetting(arena, NowMs())) {
    ForgetWriters(arena, IsProcessGone);
  }
  store.KeepReserve(NowMs());
  if (conf->writer == kNoWriter) {
    Join(conf);
  }
  PassRound(arena, conf->writer);
  const bool missing = FindMissingRows(conf);
  TellOfRound(&conf->zone);
  return missing || PassedRound(arena) < arena.header->round.load();
}

// Also in a worker that only waits for its last requests: others wait for it.
void GoRoundAgain(ngx_event_t* event) {
  auto* conf = static_cast<MainConf*>(event->data);
  const bool waits =
      Guarded(event->log, true, [conf] { return GoRound(conf); });
  if (waits || conf->zone.bell_fd == -1) {
    ngx_add_timer(event, kRoundEveryMs);
  }
}

// This process's.
OwnEvent bell;

void OnBell(ngx_event_t*) {
  auto* conf = static_cast<MainConf*>(bell.connection.data);
  // Where there is but one process, a reload replaces it.
  if (ngx_http_cycle_get_module_main_conf(const_cast<ngx_cycle_t*>(ngx_cycle),
                                          ngx_http_upstream_502_module) !=
      conf) {
    return;
  }
  if (conf->round_timer.timer_set) {
    PassRound(conf->zone.store.arena(), conf->writer);
  } else {
    GoRoundAgain(&conf->round_timer);
  }
}

// Whoever rings it rings once in each worker: an edge, which nobody reads away.
bool ListenForBell(ngx_cycle_t* cycle, MainConf* conf) {
  PrepareEvent(&bell, OnBell, conf, cycle->log);
  return Hear(&bell, conf->zone.bell_fd);
}

// It counts how often, which nobody reads: it is never full.
void Ring(const Zone& zone) {
  const uint64_t once = 1;
  if (zone.bell_fd != -1) {
    [[maybe_unused]] const ssize_t written =
        write(zone.bell_fd, &once, sizeof(once));
  }
}

}  // namespace

void TellOfRound(Zone* zone) {
  const uint32_t round = zone->store.arena().header->round.load();
  if (zone->rung != round) {
    zone->rung = round;
    Ring(*zone);
  }
}

void StartRounds(ngx_cycle_t* cycle, MainConf* conf) {
  conf->writer = kNoWriter;
  if (!conf->zone.store || ngx_process == NGX_PROCESS_HELPER) {
    return;
  }
  const Arena& arena = conf->zone.store.arena();
  ForgetWriters(arena, IsProcessGone);
  Join(conf);
  conf->zone.rung = arena.header->round.load();
  // Rows may have gone between the master's look at them and this.
  RegisterUpstreams(conf);
  ngx_event_t* event = &conf->round_timer;
  event->handler = GoRoundAgain;
  event->data = conf;
  event->log = cycle->log;
  event->cancelable = 1;
  if (!ListenForBell(cycle, conf)) {
    conf->zone.bell_fd = -1;
  }
  TellOfRound(&conf->zone);
  if (conf->zone.bell_fd == -1 || FindMissingRows(conf)) {
    ngx_add_timer(event, kRoundEveryMs);
  }
}

void RegisterInMaster(MainConf* conf) {
  Join(conf);
  RegisterUpstreams(conf);
  LeaveWriters(conf->zone.store.arena(), conf->writer);
  conf->writer = kNoWriter;
}

void StopRounds(MainConf* conf) {
  if (conf->zone.store) {
    LeaveWriters(conf->zone.store.arena(), conf->writer);
    Ring(conf->zone);
  }
}

}  // namespace upstream_502
