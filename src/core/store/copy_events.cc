// Takes events and incidents out of shared memory.

#include <algorithm>
#include <functional>
#include <utility>

#include "copy_rows.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

void CopyEvent(const Arena& arena, uint64_t id, const EventSlot& slot,
               int64_t now_ms, List<Event>* events) {
  if (!events->empty() && events->back().id == id) {
    return;  // in both rings
  }
  Event event;
  if (ReadEvent(arena, slot, id, now_ms, &event)) {
    events->push_back(std::move(event));
  }
}

}  // namespace

// Slots with an event that was not reset away; one that is in both rings is
// there twice.
bool Copier::FindEvents() {
  const uint64_t floor = arena_.header->events_floor.load(kRelaxed);
  const size_t events = arena_.capacity.events;
  const size_t count = events + kMaxCauses * kRareEvents;
  for (size_t i = 0; NextFew(count, &i);) {
    for (; i < next_; ++i) {
      const EventSlot* slot =
          i < events ? &arena_.events[i] : &arena_.rare[i - events];
      if (const uint64_t id = PeekSlot(*slot).id; id > floor) {
        events_.emplace_back(id, slot);
      }
    }
  }
  if (next_ < count) {
    return false;
  }
  std::make_heap(events_.begin(), events_.end());
  snapshot_->events.reserve(events_.size());
  return true;
}

bool Copier::CopyEvents() {
  while (!events_.empty()) {
    if (left_ == 0) {
      return false;
    }
    const auto [id, slot] = PopHeap(&events_, std::less<>());
    CopyEvent(arena_, id, *slot, now_ms_, &snapshot_->events);
    Spend(1);
  }
  return true;
}

bool Copier::CopyIncidents() {
  for (; next_ < arena_.capacity.incidents; ++next_) {
    const IncidentSlot& slot = arena_.incidents[next_];
    if (slot.id.load(kRelaxed) == 0) {
      continue;
    }
    if (left_ == 0) {
      return false;
    }
    Incident incident;
    if (ReadIncident(arena_, slot, now_ms_, &incident)) {
      snapshot_->incidents.push_back(std::move(incident));
    }
    Spend(1);
  }
  return true;
}

void Copier::FillZone() {
  const Header& header = *arena_.header;
  ZoneInfo& zone = snapshot_->zone;
  zone.evicted = header.evicted.load(kRelaxed);
  zone.peers_max = header.capacity.peers;
  zone.events =
      std::min<uint64_t>(snapshot_->events.size(), header.capacity.events);
  zone.events_max = header.capacity.events;
  zone.events_total =
      header.events.load(kRelaxed) - header.events_skipped.load(kRelaxed);
  zone.overflow = header.overflow.load(kRelaxed);
  zone.incidents = snapshot_->incidents.size();
  zone.incidents_max = header.capacity.incidents;
}

}  // namespace upstream_502
