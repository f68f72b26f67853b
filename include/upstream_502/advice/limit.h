// nginx's own limits on an attempt: which one ends it with which cause, and
// what its directive is called.
//
//   LimitDirective(LimitOf(Cause::kReadTimeout), Protocol::kFastcgi)
//   == "fastcgi_read_timeout"

#ifndef UPSTREAM_502_ADVICE_LIMIT_H_
#define UPSTREAM_502_ADVICE_LIMIT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/words/cause.h"

namespace upstream_502 {

enum class Limit : uint8_t {
  kNone,
  kConnectTimeout,
  kSendTimeout,
  kReadTimeout,
  kBufferSize,
};

// The one that may have ended an attempt with `cause`.
Limit LimitOf(Cause cause);

// The one that did. kNone where it was another's: the kernel gives up by
// itself, too, with another `message` of nginx; a response may be cut because
// nobody reads the request any more, after nginx's other `timer`.
Limit DecidingLimit(Cause cause, absl::string_view message,
                    Timer timer = Timer::kNone);

// `value` of a limit, as configured, where an attempt of `response_time` (ms;
// -1: not known) can have run into it; -1 where it was too short for that: a
// balancer had set another timeout.
int64_t LimitReached(Limit limit, int64_t value, int64_t response_time);

// Its directive; "" for kNone.
std::string LimitDirective(Limit limit, Protocol protocol);

// The buffer_size that suffices for a header of so many bytes.
int64_t SufficientBuffer(int64_t header_bytes);

// A connection idle for less was closed for another reason: a reset that comes
// while a request is on its way hits those idle for a moment just as well.
inline constexpr int32_t kLongIdleMs = 1000;

// The keepalive_timeout (ms) of an upstream block that is safe where a backend
// was seen to close a connection after `idle_ms` of idleness, kLongIdleMs or
// more.
int64_t SafeKeepAlive(int64_t idle_ms);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_LIMIT_H_
