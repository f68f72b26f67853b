// Reading an event back, with the names that its slot leaves out.

#include "upstream_502/store/event.h"

#include "copy_rows.h"
#include "upstream_502/store/arena.h"
#include "upstream_502/store/slot.h"

namespace upstream_502 {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// An event's row is older than the event, so that it is whole; the bounds are
// for what another process may have left.
void TakeNames(const Arena& arena, const FailureRows& rows, Event* event) {
  if (rows.upstream < arena.header->upstreams.load(kRelaxed)) {
    event->upstream = String(NameOf(arena.upstreams[rows.upstream]));
  }
  if (rows.peer < arena.header->peers.load(kRelaxed)) {
    event->peer = String(NameOf(arena.peers[rows.peer]));
  }
}

}  // namespace

bool ReadEvent(const Arena& arena, const EventSlot& slot, uint64_t id,
               int64_t now_ms, Event* event) {
  FailureRows rows;
  // Another event may have taken the slot meanwhile.
  if (!ReadSlot(slot, event, &rows) || event->id != id) {
    return false;
  }
  TakeNames(arena, rows, event);
  event->failure.time_ms = NotAhead(event->failure.time_ms, now_ms);
  return true;
}

}  // namespace upstream_502
