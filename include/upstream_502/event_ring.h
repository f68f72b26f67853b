// One slot of a ring of events: written by whoever comes, read by whoever
// looks. There is no lock and no order to keep, so nothing is ever stuck: the
// words carry a checksum, and a slot that is being written, or was torn by two
// writers or a killed process, reads as absent until the next event comes.

#ifndef UPSTREAM_502_EVENT_RING_H_
#define UPSTREAM_502_EVENT_RING_H_

#include <cstddef>
#include <cstdint>

#include "upstream_502/event.h"
#include "upstream_502/layout.h"

namespace upstream_502 {

// Stores an event. Text is cut so that all of it fits, at UTF-8 boundaries; the
// message keeps at least half of what names leave free. Names of `rows` are
// left out. `serial` counts the events of this cause.
void WriteSlot(EventSlot* slot, uint64_t id, uint32_t serial,
               const EventFacts& facts, const EventText& text,
               const EventRows& rows);

// What the slot seems to hold, without a look at the rest.
struct SlotPeek {
  uint64_t id;  // 0: nothing
  uint32_t serial;
  uint8_t cause;  // maybe none of Cause
};
SlotPeek PeekSlot(const EventSlot& slot);

// Copies a slot as it is, whole or not.
void CopySlot(const EventSlot& from, EventSlot* to);

// False where the slot holds nothing that can be read whole. Names that `rows`
// stands for are empty in `event`.
bool ReadSlot(const EventSlot& slot, Event* event, EventRows* rows);

}  // namespace upstream_502

#endif  // UPSTREAM_502_EVENT_RING_H_
