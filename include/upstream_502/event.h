// The record of one failed attempt, as it is stored and as it is shown.

#ifndef UPSTREAM_502_EVENT_H_
#define UPSTREAM_502_EVENT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/cause.h"

namespace upstream_502 {

// Everything of an event that is not text. Trivially copyable: it is stored
// in shared memory word by word.
struct EventFacts {
  int64_t time_ms = 0;  // Unix time of the failure
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  Protocol protocol = Protocol::kUnknown;
  uint8_t rescued = 0;
  uint8_t reused = 0;
  ErrnoClass errno_class = ErrnoClass::kNone;
  uint16_t status = 0;           // what nginx noted for the attempt; 0: none
  uint16_t client_status = 0;    // what the client got; 0: none
  uint16_t received_status = 0;  // what the upstream said; 0: none
  int16_t errno_number = 0;      // 0: none
  uint8_t method = 0;            // see usual_text.h; 0: it is in EventText
  uint8_t line = 0;              // the same for the message
  uint16_t attempt = 0;          // counted from 1; 0: no attempt was made
  uint16_t attempts = 0;         // of the whole request
  int32_t connect_time = -1;     // ms; -1: never got there
  int32_t header_time = -1;      // ms; -1: never got there
  int32_t response_time = -1;    // ms
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  int64_t limit = -1;  // the timeout (ms) or buffer (bytes) that
                       // decided; -1: none
};

// Text of an event. Views while it is written; anything from outside is
// bounded by the ring and escaped by the renderer, nowhere else.
struct EventText {
  absl::string_view upstream = {};
  absl::string_view peer = {};    // "" where no peer was chosen
  absl::string_view method = {};  // "" where the facts tell
  absl::string_view host = {};
  absl::string_view uri = {};
  absl::string_view request_id = {};
  absl::string_view message = {};  // nginx's own; "" where it logged nothing,
                                   // or the facts tell
};

// The rows that upstream and peer have in the store, where they have some:
// their names are kept there, and not with the event.
struct EventRows {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t upstream = kNone;
  uint32_t peer = kNone;
};

// An event as it was read back. `id` counts from 1 and never repeats.
struct Event {
  uint64_t id = 0;
  EventFacts facts;
  std::string upstream;
  std::string peer;
  std::string method;
  std::string host;
  std::string uri;
  std::string request_id;
  std::string message;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_EVENT_H_
