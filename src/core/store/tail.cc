// Looks for what is new in the rings.

#include "upstream_502/store/tail.h"

#include <algorithm>
#include <utility>

#include "upstream_502/store/incidents.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// So that an exception in `taken` leaves the rest as it was.
template <typename Taken>
void EraseTaken(std::vector<uint64_t>* ids, const Taken& taken) {
  for (auto id = ids->begin(); id != ids->end();) {
    id = taken(*id) ? ids->erase(id) : id + 1;
  }
}

}  // namespace

Tail::Tail(const Store& store, int64_t now_ms)
    : store_(store), looked_(newest()) {
  for (uint64_t id = Reach(looked_) + 1; id <= looked_; ++id) {
    // What is being written has its id already.
    if (id > resumed() && PeekSlot(EventSlotOf(id)).id < id) {
      late_.push_back(id);
    }
  }
  const Arena& arena = store_.arena();
  incidents_looked_ = arena.header->incidents.load(kRelaxed);
  const uint64_t kept =
      std::min<uint64_t>(incidents_looked_, arena.capacity.incidents);
  for (uint64_t id = incidents_looked_ - kept + 1; id <= incidents_looked_;
       ++id) {
    const uint64_t held = IncidentSlotOf(id).id.load(kRelaxed);
    Incident incident;
    const bool read = Read(held, now_ms, &incident);
    if (!read || held < id) {
      coming_.push_back(id);
    }
    // One that goes on keeps its place, whatever ids are handed out; one that
    // has opened just now comes by itself.
    if (read && incident.open && held <= incidents_looked_) {
      open_.push_back(held);
    }
  }
  std::sort(open_.begin(), open_.end());
}

bool Tail::Look(int64_t now_ms, size_t work) {
  const uint64_t last = newest();
  Skip(Reach(last));
  TakeLate(now_ms);
  for (; looked_ < last; ++looked_) {
    if (work-- == 0) {
      return true;
    }
    if (!Take(looked_ + 1, now_ms)) {
      late_.push_back(looked_ + 1);
    }
  }
  LookAtIncidents(now_ms);
  return false;
}

// All up to `reach` are too far behind.
void Tail::Skip(uint64_t reach) {
  const uint64_t floor = store_.arena().header->events_floor.load(kRelaxed);
  EraseTaken(&late_, [&](uint64_t id) {
    end_ += id <= reach && id > floor ? 1 : 0;
    return id <= reach;
  });
  if (looked_ < reach) {
    end_ += reach - std::max(looked_, std::min(floor, reach));
    looked_ = reach;
  }
}

void Tail::TakeLate(int64_t now_ms) {
  EraseTaken(&late_, [&](uint64_t id) { return Take(id, now_ms); });
}

// False when it may still come.
bool Tail::Take(uint64_t id, int64_t now_ms) {
  if (id <= store_.arena().header->events_floor.load(kRelaxed)) {
    return true;  // reset away
  }
  const uint64_t held = PeekSlot(EventSlotOf(id)).id;
  if (held > id) {
    ++end_;
    return true;
  }
  Event event;
  if (held < id || !Read(id, now_ms, &event)) {
    return false;
  }
  Append(std::move(event));
  return true;
}

void Tail::LookAtIncidents(int64_t now_ms) {
  const Arena& arena = store_.arena();
  const uint64_t last = arena.header->incidents.load(kRelaxed);
  if (last > incidents_looked_ + arena.capacity.incidents) {
    incidents_looked_ = last - arena.capacity.incidents;
  }
  for (; incidents_looked_ < last; ++incidents_looked_) {
    coming_.push_back(incidents_looked_ + 1);
  }
  EraseTaken(&coming_, [&](uint64_t id) { return TakeOpened(id, now_ms); });
  EraseTaken(&open_, [&](uint64_t id) { return TakeOver(id, now_ms); });
}

// False when it may still come. An id may have gone to nobody: its slot has
// another's until that is overwritten.
bool Tail::TakeOpened(uint64_t id, int64_t now_ms) {
  const Arena& arena = store_.arena();
  const IncidentSlot& slot = IncidentSlotOf(id);
  if (id <= arena.header->incidents_floor.load(kRelaxed) ||
      slot.id.load(kRelaxed) > id ||
      incidents_looked_ - id >= arena.capacity.incidents) {
    return true;
  }
  Incident incident;
  if (slot.id.load(kRelaxed) != id || !Read(id, now_ms, &incident)) {
    return false;
  }
  open_.push_back(id);
  Append(std::move(incident));
  return true;
}

bool Tail::TakeOver(uint64_t id, int64_t now_ms) {
  const IncidentSlot& slot = IncidentSlotOf(id);
  if (slot.id.load(std::memory_order_acquire) != id) {
    return true;
  }
  if (!IsOver(slot.end.load(kRelaxed), now_ms)) {
    return false;
  }
  Incident incident;
  if (Read(id, now_ms, &incident)) {
    Append(std::move(incident));
  }
  return true;
}

template <typename What>
void Tail::Append(What what) {
  entries_.push_back({end_, std::move(what)});
  ++end_;
  if (entries_.size() > kBehind) {
    entries_.pop_front();
  }
}

const Tail::Entry* Tail::Find(uint64_t number) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), number,
                                      [](const Entry& entry, uint64_t wanted) {
                                        return entry.number < wanted;
                                      });
  return found == entries_.end() ? nullptr : &*found;
}

void Tail::Drop(uint64_t number) {
  while (!entries_.empty() && entries_.front().number < number) {
    entries_.pop_front();
  }
}

std::vector<uint64_t> Tail::Before() const {
  std::vector<uint64_t> ids;
  for (uint64_t id = Reach(looked_) + 1; id <= looked_; ++id) {
    // In the place of one that nobody got is what was there before.
    const uint64_t held = id > resumed() ? id : PeekSlot(EventSlotOf(id)).id;
    if (IsOnRecord(held) && held <= id &&
        !std::binary_search(late_.begin(), late_.end(), held)) {
      ids.push_back(held);
    }
  }
  return ids;
}

uint64_t Tail::OutOfReach(uint64_t event) const {
  const uint64_t reach = Reach(looked_);
  const uint64_t floor = store_.arena().header->events_floor.load(kRelaxed);
  return reach - std::min(reach, std::max({event, floor, resumed()}));
}

uint64_t Tail::newest() const {
  return store_.arena().header->events.load(kRelaxed);
}

uint64_t Tail::resumed() const {
  return store_.arena().header->events_resumed.load(kRelaxed);
}

bool Tail::Read(uint64_t id, int64_t now_ms, Event* event) const {
  if (!IsOnRecord(id) ||
      !ReadEvent(store_.arena(), EventSlotOf(id), id, now_ms, event)) {
    return false;
  }
  event->incident = Covering(*event);
  return true;
}

bool Tail::Read(uint64_t id, int64_t now_ms, Incident* incident) const {
  return ReadIncident(store_.arena(), IncidentSlotOf(id), now_ms, incident) &&
         incident->id == id;
}

// The id before the first that may be told when the last is `newest`.
uint64_t Tail::Reach(uint64_t newest) const {
  return newest -
         std::min({newest, kBehind, uint64_t{store_.arena().capacity.events}});
}

bool Tail::IsOnRecord(uint64_t id) const {
  return id > store_.arena().header->events_floor.load(kRelaxed) &&
         PeekSlot(EventSlotOf(id)).id == id;
}

const EventSlot& Tail::EventSlotOf(uint64_t id) const {
  const Arena& arena = store_.arena();
  return arena.events[id % arena.capacity.events];
}

const IncidentSlot& Tail::IncidentSlotOf(uint64_t id) const {
  const Arena& arena = store_.arena();
  return arena.incidents[id % arena.capacity.incidents];
}

// As SettleIncidents finds it, of the incidents on record now; 0: none.
uint64_t Tail::Covering(const Event& event) const {
  const Arena& arena = store_.arena();
  const int64_t time = event.failure.time_ms;
  const uint64_t floor = arena.header->incidents_floor.load(kRelaxed);
  uint64_t covering = 0;
  for (uint32_t i = 0; i < arena.capacity.incidents; ++i) {
    const IncidentSlot& slot = arena.incidents[i];
    const uint64_t id = slot.id.load(std::memory_order_acquire);
    if (id > std::max(floor, covering) && time >= slot.start.load(kRelaxed) &&
        time <= slot.end.load(kRelaxed) &&
        event.upstream == NameOf(arena, slot)) {
      covering = id;
    }
  }
  return covering;
}

}  // namespace upstream_502
