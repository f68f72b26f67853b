// One failed attempt as it was read back out of the store.

#ifndef UPSTREAM_502_STORE_EVENT_H_
#define UPSTREAM_502_STORE_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "upstream_502/verdict/evidence.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

// `id` counts from 1 and never repeats. What Failure tells by a number (method,
// message) is there as text, too.
struct Event {
  uint64_t id = 0;
  uint64_t incident = 0;  // that it belongs to; 0: none on record
  Failure failure;
  std::string upstream;
  std::string peer;
  std::string method;
  std::string host;
  std::string uri;
  std::string request_id;
  std::string message;
  std::optional<Evidence> evidence;  // where the kernel was asked
};

// Its text, as hints and checks take it. Valid as long as `event`.
inline FailureText TextOf(const Event& event) {
  return {.upstream = event.upstream,
          .peer = event.peer,
          .method = event.method,
          .host = event.host,
          .uri = event.uri,
          .request_id = event.request_id,
          .message = event.message};
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_EVENT_H_
