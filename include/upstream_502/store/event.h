// One failed attempt as it was read back out of the store.

#ifndef UPSTREAM_502_STORE_EVENT_H_
#define UPSTREAM_502_STORE_EVENT_H_

#include <cstdint>
#include <optional>

#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

struct Arena;
struct EventSlot;

// `id` counts from 1 and never repeats. What Failure tells by a number (method,
// message) is there as text, too.
struct Event {
  uint64_t id = 0;
  uint64_t incident = 0;  // that it belongs to; 0: none on record
  Failure failure;
  String upstream;
  String target;
  String peer;
  String method;
  String host;
  String uri;
  String request_id;
  String message;
  std::optional<Evidence> evidence;  // where the kernel was asked
};

// Its text, as hints and checks take it. Valid as long as `event`.
inline FailureText TextOf(const Event& event) {
  return {.upstream = event.upstream,
          .target = event.target,
          .peer = event.peer,
          .method = event.method,
          .host = event.host,
          .uri = event.uri,
          .request_id = event.request_id,
          .message = event.message};
}

// False where the slot does not hold the event `id` whole. What lies ahead of
// `now_ms`, since the clock was set back, is told as of now. Which incident it
// belongs to is not looked up.
bool ReadEvent(const Arena& arena, const EventSlot& slot, uint64_t id,
               int64_t now_ms, Event* event);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_EVENT_H_
