// One failed attempt, in the one form it has on its whole way: what
// classifying makes of nginx's structs, what a request keeps, what lies in
// shared memory, what an event shows, and what hints and checks are made from.
//
//   Failure failure = {.cause = Cause::kReadTimeout, .limit = 60000};
//   Hint(failure, {.peer = "127.0.0.1:9000"});

#ifndef UPSTREAM_502_WORDS_FAILURE_H_
#define UPSTREAM_502_WORDS_FAILURE_H_

#include <cstdint>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/errno.h"

namespace upstream_502 {

// Everything of it that is not text. Stored word by word, without a byte that
// only fills up.
struct Failure {
  int64_t time_ms = 0;  // Unix time of the failure
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  Protocol protocol = Protocol::kUnknown;
  uint8_t rescued = 0;  // the client never saw it
  uint8_t reused = 0;   // the connection came from the keepalive cache
  ErrnoClass errno_class = ErrnoClass::kNone;
  uint16_t status = 0;           // what nginx noted for the attempt; 0: none
  uint16_t client_status = 0;    // what the client got; 0: none
  uint16_t received_status = 0;  // what the upstream said; 0: none
  int16_t errno_number = 0;      // 0: none
  uint8_t method = 0;            // see usual.h; 0: it is in FailureText
  uint8_t line = 0;              // the same for the message
  uint16_t attempt = 0;          // counted from 1; 0: no attempt was made
  uint16_t attempts = 0;         // of the whole request
  int32_t connect_time = -1;     // ms; -1: never got there
  int32_t header_time = -1;      // ms; -1: never got there
  int32_t response_time = -1;    // ms; -1: no attempt was made
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  int64_t limit = -1;  // the timeout (ms) or buffer (bytes) that
                       // decided; -1: none
};
static_assert(std::has_unique_object_representations_v<Failure>);

// Its text. Views of bytes from outside: bounded where they are stored,
// escaped where they are rendered, nowhere else.
struct FailureText {
  absl::string_view upstream = {};  // the name of the group
  absl::string_view peer = {};      // "127.0.0.1:9000", "unix:/run/app.sock";
                                    // "" where no peer was chosen
  absl::string_view method = {};    // "" where `Failure` tells
  absl::string_view host = {};
  absl::string_view uri = {};
  absl::string_view request_id = {};
  absl::string_view message = {};  // nginx's own; "" where it logged nothing,
                                   // or `Failure` tells
};

// The rows that upstream and peer have in the store, where they have some:
// their names are kept there, and not with the event.
struct FailureRows {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t upstream = kNone;
  uint32_t peer = kNone;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_FAILURE_H_
