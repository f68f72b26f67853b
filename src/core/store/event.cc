// Reading an event back, with the name that its slot has no room for.

#include "upstream_502/store/event.h"

#include "copy_rows.h"
#include "upstream_502/store/arena.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

void TakeLongName(const Arena& arena, const LongName& name, Event* event) {
  if (name.row < arena.header->upstreams.load(std::memory_order_acquire) &&
      arena.upstreams[name.row].hash.load(std::memory_order_relaxed) ==
          name.hash) {
    event->upstream = String(NameOf(arena.upstreams[name.row]));
  }
}

}  // namespace

bool ReadEvent(const Arena& arena, const EventSlot& slot, uint64_t id,
               int64_t now_ms, Event* event) {
  LongName long_name;
  // Another event may have taken the slot meanwhile.
  if (!ReadSlot(slot, event, &long_name) || event->id != id) {
    return false;
  }
  TakeLongName(arena, long_name, event);
  event->failure.time_ms = NotAhead(event->failure.time_ms, now_ms);
  return true;
}

}  // namespace upstream_502
