// Looks at the rings for all who follow in this worker, and tells each of them.

#include "ngx_cxx.h"

#include "follower.h"

#include <algorithm>
#include <string>

#include "bridge.h"
#include "conf.h"
#include "desk.h"
#include "upstream_502/report/follow.h"
#include "upstream_502/store/tail.h"

namespace upstream_502 {
namespace {

class Follower;

constexpr ngx_msec_t kBeatMs = 250;
// What is looked at in one step: some tenths of a millisecond.
constexpr size_t kLookWork = 200;
constexpr size_t kFollowersMax = 64;

}  // namespace

// Is there while somebody follows, and for one beat more.
class Watch : public Place {
 public:
  explicit Watch(MainConf* conf);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  bool IsFull() const { return count_ == kFollowersMax; }
  void Add(Follower* follower) { followers_[count_++] = follower; }
  void Remove(const Follower* follower) {
    Follower** left = std::remove(followers_, followers_ + count_, follower);
    count_ = static_cast<size_t>(left - followers_);
  }
  const Tail& tail() const { return tail_; }

  // Looks for what is new, for all at once.
  void Look();

 private:
  static void OnBeat(ngx_event_t* event);
  static void OnTurn(Place* place);

  bool IsOver() const;
  void CloseAll();

  MainConf* conf_;
  Tail tail_;
  ngx_event_t beat_ = {};
  Follower* followers_[kFollowersMax] = {};
  size_t count_ = 0;
};

namespace {

class Follower : public Outlet {
 public:
  Follower(ngx_http_request_t* r, Watch* watch, const Query& query,
           FollowFormat format)
      : Outlet(r, GetMainConf(r)),
        watch_(watch),
        following_(watch->tail(), query, format, NowMs()) {
    watch->Add(this);
  }
  ~Follower() override {
    if (watch_ != nullptr) {
      watch_->Remove(this);
    }
  }

  uint64_t next() const { return following_.next(); }

  void WakeForNews(int64_t now_ms) {
    if (following_.HasNews(now_ms)) {
      Wake();
    }
  }

  // What it follows is no more.
  void End() {
    watch_->Remove(this);
    watch_ = nullptr;
    Close(true);
  }

 private:
  Made Make(std::string* text) override {
    return following_.Next(NowMs(), text) ? Made::kMore : Made::kNothing;
  }

  Watch* watch_;  // nullptr: no more
  Following following_;
};

}  // namespace

Watch::Watch(MainConf* conf) : conf_(conf), tail_(conf->zone.store, NowMs()) {
  take_turn = OnTurn;
  beat_.handler = OnBeat;
  beat_.data = this;
  beat_.log = LogOf(ngx_cycle);
  ngx_add_timer(&beat_, kBeatMs);
}

Watch::~Watch() {
  GiveTurnUp(this);
  if (beat_.timer_set) {
    ngx_del_timer(&beat_);
  }
  conf_->watch = nullptr;
}

// The worker is to end, or, where there is but one process, its configuration
// was replaced: then the zone may be another by now.
bool Watch::IsOver() const {
  return ngx_exiting || ngx_quit || ngx_terminate ||
         ngx_http_cycle_get_module_main_conf(
             const_cast<ngx_cycle_t*>(ngx_cycle),
             ngx_http_upstream_502_module) != conf_;
}

void Watch::CloseAll() {
  while (count_ > 0) {
    followers_[count_ - 1]->End();
  }
}

void Watch::Look() {
  const int64_t now_ms = NowMs();
  if (tail_.Look(now_ms, kLookWork)) {
    AskForTurn(conf_, this);
  }
  uint64_t needed = tail_.end();
  for (size_t i = 0; i < count_; ++i) {
    needed = std::min(needed, followers_[i]->next());
    followers_[i]->WakeForNews(now_ms);
  }
  tail_.Drop(needed);
}

// Timer handler. No worker ends before it has come: those who follow end well.
void Watch::OnBeat(ngx_event_t* event) {
  auto* watch = static_cast<Watch*>(event->data);
  if (watch->IsOver()) {
    watch->CloseAll();
  }
  if (watch->count_ == 0) {
    delete watch;
    return;
  }
  Guarded(event->log, [watch] { watch->Look(); });
  ngx_add_timer(event, kBeatMs);
}

void Watch::OnTurn(Place* place) {
  auto* watch = static_cast<Watch*>(place);
  Guarded(watch->beat_.log, [watch] { watch->Look(); });
}

ngx_int_t AddFollower(ngx_http_request_t* r, const Query& query,
                      FollowFormat format, Outlet** follower) {
  MainConf* conf = GetMainConf(r);
  if (conf->watch == nullptr) {
    conf->watch = new Watch(conf);
  }
  if (conf->watch->IsFull()) {
    return NGX_BUSY;
  }
  conf->watch->Look();  // what is there by now was before
  *follower = NewOutlet<Follower>(r, conf->watch, query, format);
  return *follower == nullptr ? NGX_ERROR : NGX_OK;
}

}  // namespace upstream_502
