// Where those who read reports of this worker take turns: however many they
// are, they hold it no longer than one of them does, and what they read is
// made once.

#ifndef UPSTREAM_502_SRC_NGINX_DESK_H_
#define UPSTREAM_502_SRC_NGINX_DESK_H_

#include "ngx_cxx.h"

#include <cstdint>

namespace upstream_502 {

class SharedReport;
struct MainConf;

// All zero at first, as nginx leaves it.
struct Desk {
  ngx_queue_t turns;     // places with something to do
  ngx_queue_t waiting;   // those that there is no room to make a report for
  SharedReport* oldest;  // of the reports that are read; nullptr: none
  SharedReport* newest;  // that more may read; nullptr: none
  ngx_event_t turn;      // of all places together
  ngx_event_t expiry;    // of the oldest report, while others wait
  ngx_event_t trim;      // gives memory back
  uint32_t places;
  uint32_t most;  // at once, since memory was given back
};

// What one reader has at the desk.
struct Place {
  ngx_queue_t queue;      // in turns or waiting
  ngx_queue_t of_report;  // among those that read the same one
  SharedReport* report = nullptr;
  bool queued = false;
  // It is its turn to do one small step. May end it.
  void (*take_turn)(Place* place) = nullptr;
  // Its report is taken away.
  void (*end)(Place* place) = nullptr;
};

// Whether there are too many who read a report already. Who has entered has to
// leave.
bool IsFull(const MainConf& conf);
void Enter(MainConf* conf);
void Leave(MainConf* conf, Place* place);

// Gives it a turn before long, if it has not asked for one.
void AskForTurn(MainConf* conf, Place* place);

// It needs no turn any more: to be called before it ends.
void GiveTurnUp(Place* place);

// Gives it a report to read: a fresh one that others read, or a new one. False
// when it has to wait: it gets a turn when there is room. Throws when memory
// is out.
bool TakeReport(MainConf* conf, Place* place, bool hours);

// It needs its report no more.
void ReturnReport(MainConf* conf, Place* place);

// What was counted so far is reset: nobody else gets to read it.
void ForgetReport(MainConf* conf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_DESK_H_
