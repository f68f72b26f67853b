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

// Why nginx asked no other server after the failure. Values are stored in
// shared memory: append only.
enum class NotRetried : uint8_t {
  kUnknown,     // it did, or nobody knows
  kOnlyServer,  // there is no other one in the group
  kNotListed,   // *_next_upstream does not have this case
  kMethod,      // a method that is not repeated once the request was sent
  kTries,       // *_next_upstream_tries: `next_limit`
  kTimeout,     // *_next_upstream_timeout: `next_limit`, ms
  kBegun,       // the response was on its way to the client
  kNoneLeft,    // every other server was tried or out
  kStreamed,    // the request's body was passed on as it came, and not kept
};
inline constexpr size_t kNotRetriedCount = 9;

// Everything of it that is not text. Stored word by word, without a byte that
// only fills up.
struct Failure {
  int64_t time_ms = 0;  // Unix time of the failure
  Cause cause = Cause::kUnknown;
  Phase phase = Phase::kHeader;
  Protocol protocol = Protocol::kUnknown;
  uint8_t rescued = 0;           // the client never saw it
  uint8_t reused : 4 = 0;        // the connection came from the keepalive cache
  uint8_t event_stream : 4 = 0;  // a text/event-stream's body was silent
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
  NotRetried not_retried = NotRetried::kUnknown;
  uint8_t sent_to = 0;      // servers that the request had been sent to, this
                            // one included; 255: so many or more
  uint16_t group_size = 0;  // servers in the group; 0: not known
  uint32_t next_limit = 0;  // what not_retried says
};
static_assert(std::has_unique_object_representations_v<Failure>);

// Whether it was the end of a connection on which nobody said anything after
// the switch to another protocol, or of an event stream that was silent: told,
// but no fault.
inline bool IsIdleEnd(const Failure& failure) {
  return failure.cause == Cause::kBodyTimeout &&
         (failure.received_status == 101 || failure.event_stream != 0);
}

// Its text. Views of bytes from outside: bounded where they are stored,
// escaped where they are rendered, nowhere else.
struct FailureText {
  absl::string_view upstream = {};  // the name of the group
  absl::string_view target = {};    // what a target that holds a variable
                                    // resolved to; "" for any other
  absl::string_view peer = {};      // "127.0.0.1:9000", "unix:/run/app.sock";
                                    // "" where no peer was chosen
  absl::string_view method = {};    // "" where `Failure` tells
  absl::string_view host = {};
  absl::string_view uri = {};
  absl::string_view request_id = {};
  absl::string_view message = {};  // nginx's own; "" where it logged nothing,
                                   // or `Failure` tells
};

// The row that the upstream had in the store, and the hash of its name: it may
// be another's by now.
struct FailureRows {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t upstream = kNone;
  uint32_t hash = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_FAILURE_H_
