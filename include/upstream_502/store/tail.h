// What gets into the rings, as it gets there: for those who follow it. It looks
// at shared memory once for all of them and keeps what they have not taken yet.
//
//   Tail tail(store, now_ms);  // what comes from now on
//   while (tail.Look(now_ms, 200)) { … or go on later … }
//   if (const Tail::Entry* entry = tail.Find(next)) {
//     next = entry->number + 1;
//   }
//
// Ids of events are handed out before these are written, in any order: an event
// comes when it is there, maybe behind one with a larger id.

#ifndef UPSTREAM_502_STORE_TAIL_H_
#define UPSTREAM_502_STORE_TAIL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <variant>
#include <vector>

#include "upstream_502/store/event.h"
#include "upstream_502/store/incident.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {

class Tail {
 public:
  // Nobody is further behind than so many.
  static constexpr uint64_t kBehind = 1000;

  // One failure, or an incident that has opened or is over. Numbers rise; one
  // that is not there stands for what was overwritten before it was taken.
  struct Entry {
    uint64_t number;
    std::variant<Event, Incident> what;
  };

  Tail(const Store& store, int64_t now_ms);

  // Looks for what is new, at about so many events. True when there may be
  // more.
  bool Look(int64_t now_ms, size_t work);

  // The number of the next entry to come.
  uint64_t end() const { return end_; }
  // The first entry with this number or a larger one; nullptr: none yet.
  const Entry* Find(uint64_t number) const;
  // Nobody needs what is before this number.
  void Drop(uint64_t number);

  // What was there before the next entry: ids of events on record that are no
  // entries and never will be, oldest first, kBehind at most.
  std::vector<uint64_t> Before() const;
  // How many ids behind `event` are too far behind for that.
  uint64_t OutOfReach(uint64_t event) const;
  // The last id that it has looked at, and the last that was handed out.
  uint64_t looked() const { return looked_; }
  uint64_t newest() const;
  // Incidents that an entry will say are over.
  const std::vector<uint64_t>& open() const { return open_; }
  // False when it is not on record any more.
  bool Read(uint64_t id, int64_t now_ms, Event* event) const;
  bool Read(uint64_t id, int64_t now_ms, Incident* incident) const;

 private:
  bool Take(uint64_t id, int64_t now_ms);
  void Skip(uint64_t reach);
  void TakeLate(int64_t now_ms);
  bool TakeOpened(uint64_t id, int64_t now_ms);
  bool TakeOver(uint64_t id, int64_t now_ms);
  void LookAtIncidents(int64_t now_ms);
  template <typename What>
  void Append(What what);

  // Ids up to this one do not come any more.
  uint64_t resumed() const;
  uint64_t Reach(uint64_t newest) const;
  bool IsOnRecord(uint64_t id) const;
  const EventSlot& EventSlotOf(uint64_t id) const;
  const IncidentSlot& IncidentSlotOf(uint64_t id) const;
  uint64_t Covering(const Event& event) const;

  Store store_;
  std::deque<Entry> entries_;
  uint64_t end_ = 1;
  uint64_t looked_;             // the last event id
  std::vector<uint64_t> late_;  // ids before it that are not written yet
  uint64_t incidents_looked_;
  std::vector<uint64_t> coming_;  // ids of incidents that nobody feeds yet
  std::vector<uint64_t> open_;    // and of those that are not over
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_TAIL_H_
