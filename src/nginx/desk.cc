// Gives those who read reports their turns and what they read.

#include "ngx_cxx.h"

#include "desk.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <time.h>

#include <algorithm>
#include <utility>

#include "bridge.h"
#include "conf.h"
#include "shared_report.h"

namespace upstream_502 {
namespace {

// How long all turns of one round of the event loop take together, beyond the
// last step.
constexpr int64_t kRoundNs = 1000000;
constexpr ngx_msec_t kHoldMs = 1000;
constexpr uint32_t kPlaces = 1024;
// As many at once as leave behind what is worth giving back.
constexpr uint32_t kMany = 8;
// How long a report is news.
constexpr ngx_msec_t kFreshMs = 1000;
// Reports take less than the zone they are made of; so much memory may they
// take together, unless there is but one.
constexpr size_t kRoom = size_t{64} << 20;
// For how long a report may be read when others wait for its room.
constexpr ngx_msec_t kReadingMs = 10000;

int64_t ClockNs() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1000000000 + time.tv_nsec;
}

Desk* Opened(MainConf* conf) {
  Desk* desk = &conf->desk;
  if (desk->turns.next == nullptr) {
    ngx_queue_init(&desk->turns);
    ngx_queue_init(&desk->waiting);
  }
  return desk;
}

Place* PlaceIn(ngx_queue_t* link) { return ngx_queue_data(link, Place, queue); }

void TakeTurns(ngx_event_t* event);

// A worker that is to end waits for timers only, and a turn is none: one that
// need not run out keeps it there until all have had theirs.
void PostRound(MainConf* conf) {
  ngx_event_t* turn = &conf->desk.turn;
  turn->handler = TakeTurns;
  turn->data = conf;
  turn->log = LogOf(ngx_cycle);
  if (!turn->timer_set) {
    ngx_add_timer(turn, kHoldMs);
  }
  if (!turn->posted) {
    ngx_post_event(turn, &ngx_posted_next_events);
  }
}

// Event handler: one round of turns, one after the other.
void TakeTurns(ngx_event_t* event) {
  auto* conf = static_cast<MainConf*>(event->data);
  Desk* desk = &conf->desk;
  const int64_t end = ClockNs() + kRoundNs;
  while (!ngx_queue_empty(&desk->turns)) {
    Place* place = PlaceIn(ngx_queue_head(&desk->turns));
    GiveTurnUp(place);
    place->take_turn(place);
    if (ClockNs() >= end) {
      break;
    }
  }
  if (!ngx_queue_empty(&desk->turns)) {
    PostRound(conf);
  } else if (event->timer_set) {
    ngx_del_timer(event);
  }
}

// Those that waited try again, in the order in which they came.
void Wake(MainConf* conf) {
  Desk* desk = &conf->desk;
  if (desk->expiry.timer_set) {
    ngx_del_timer(&desk->expiry);
  }
  if (!ngx_queue_empty(&desk->waiting)) {
    ngx_queue_add(&desk->turns, &desk->waiting);
    ngx_queue_init(&desk->waiting);
    PostRound(conf);
  }
}

// Event handler: readers that hold the oldest report have had their time.
void Expire(ngx_event_t* event) {
  auto* conf = static_cast<MainConf*>(event->data);
  Desk* desk = &conf->desk;
  if (ngx_queue_empty(&desk->waiting)) {
    return;  // who waited has gone
  }
  const SharedReport* oldest = desk->oldest;
  if (oldest != nullptr) {
    ngx_log_error(NGX_LOG_WARN, event->log, 0,
                  "upstream_502: a report was cut short: its readers are too "
                  "slow and others wait for its memory");
  }
  // The last that ends takes the report with it.
  while (oldest != nullptr && desk->oldest == oldest) {
    Place* place =
        ngx_queue_data(ngx_queue_head(&oldest->readers), Place, of_report);
    place->end(place);
  }
}

void Wait(MainConf* conf, Place* place) {
  Desk* desk = &conf->desk;
  ngx_queue_insert_tail(&desk->waiting, &place->queue);
  place->queued = true;
  ngx_event_t* expiry = &desk->expiry;
  if (!expiry->timer_set) {
    const ngx_msec_t age = desk->oldest->age();
    expiry->handler = Expire;
    expiry->data = conf;
    expiry->log = LogOf(ngx_cycle);
    ngx_add_timer(expiry, kReadingMs - std::min(age, kReadingMs));
  }
}

// Event handler: what is freed shares pages with what stays, and the heap
// keeps those.
void TrimMemory(ngx_event_t* event) {
  static_cast<Desk*>(event->data)->most = 0;
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

// In a round of its own: pools are freed by then.
void PostTrim(Desk* desk) {
  ngx_event_t* trim = &desk->trim;
  trim->handler = TrimMemory;
  trim->data = desk;
  trim->log = LogOf(ngx_cycle);
  ngx_post_event(trim, &ngx_posted_next_events);
}

bool HasRoom(const MainConf& conf) {
  size_t reports = 1;
  for (const SharedReport* each = conf.desk.oldest; each != nullptr;
       each = each->newer) {
    ++reports;
  }
  return reports == 1 || reports * conf.zone.size <= kRoom;
}

// Where the pointer to `report` is; to nullptr: at the end.
SharedReport** Link(Desk* desk, const SharedReport* report) {
  SharedReport** link = &desk->oldest;
  while (*link != report) {
    link = &(*link)->newer;
  }
  return link;
}

bool MayShare(const SharedReport* report, bool hours) {
  return report != nullptr && !report->has_failed() &&
         report->age() <= kFreshMs && (report->has_hours() || !hours);
}

}  // namespace

bool IsFull(const MainConf& conf) { return conf.desk.places == kPlaces; }

void Enter(MainConf* conf) {
  Desk* desk = &conf->desk;
  desk->most = std::max(desk->most, ++desk->places);
}

void Leave(MainConf* conf, Place* place) {
  ReturnReport(conf, place);
  Desk* desk = &conf->desk;
  if (--desk->places == 0 && desk->most >= kMany) {
    PostTrim(desk);
  }
}

void AskForTurn(MainConf* conf, Place* place) {
  if (!place->queued) {
    ngx_queue_insert_tail(&Opened(conf)->turns, &place->queue);
    place->queued = true;
    PostRound(conf);
  }
}

void GiveTurnUp(Place* place) {
  if (std::exchange(place->queued, false)) {
    ngx_queue_remove(&place->queue);
  }
}

bool TakeReport(MainConf* conf, Place* place, bool hours) {
  Desk* desk = &conf->desk;
  SharedReport* report = desk->newest;
  if (!MayShare(report, hours)) {
    if (!HasRoom(*conf)) {
      Wait(conf, place);
      return false;
    }
    report = new SharedReport(*conf, hours);
    desk->newest = *Link(desk, nullptr) = report;
  }
  ngx_queue_insert_tail(&report->readers, &place->of_report);
  place->report = report;
  return true;
}

void ReturnReport(MainConf* conf, Place* place) {
  SharedReport* report = std::exchange(place->report, nullptr);
  if (report == nullptr) {
    return;
  }
  ngx_queue_remove(&place->of_report);
  if (!ngx_queue_empty(&report->readers)) {
    return;
  }
  Desk* desk = &conf->desk;
  if (desk->newest == report) {
    desk->newest = nullptr;
  }
  *Link(desk, report) = report->newer;
  delete report;
  Wake(conf);
}

void ForgetReport(MainConf* conf) { conf->desk.newest = nullptr; }

}  // namespace upstream_502
