// Which of nginx's limits ends an attempt with which cause.

#include "upstream_502/advice/limit.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace upstream_502 {
namespace {

// nginx does not move a timer for less than 300 ms, and both ends are read from
// a clock that stands still during a turn of the event loop.
constexpr int64_t kTimerSlackMs = 100;

// Without the protocol's prefix.
absl::string_view Suffix(Limit limit) {
  switch (limit) {
    case Limit::kNone:
      return "";
    case Limit::kConnectTimeout:
      return "_connect_timeout";
    case Limit::kSendTimeout:
      return "_send_timeout";
    case Limit::kReadTimeout:
      return "_read_timeout";
    case Limit::kBufferSize:
      return "_buffer_size";
  }
  return "";
}

}  // namespace

Limit LimitOf(Cause cause) {
  switch (cause) {
    case Cause::kConnectionTimeout:
    case Cause::kTlsTimeout:
      return Limit::kConnectTimeout;
    case Cause::kSendTimeout:
      return Limit::kSendTimeout;
    case Cause::kReadTimeout:
    case Cause::kBodyTimeout:
      return Limit::kReadTimeout;
    case Cause::kHeaderTooBig:
      return Limit::kBufferSize;
    default:
      return Limit::kNone;
  }
}

Limit DecidingLimit(Cause cause, absl::string_view message, Timer timer) {
  const Limit limit = LimitOf(cause);
  if (cause == Cause::kBodyTimeout && timer == Timer::kWrite) {
    return Limit::kNone;
  }
  // Nobody else ends a body that stalls, or minds the size of a header.
  const bool nobody_else =
      cause == Cause::kBodyTimeout || cause == Cause::kHeaderTooBig;
  return limit == Limit::kNone || nobody_else ||
                 absl::StartsWith(message, "upstream timed out")
             ? limit
             : Limit::kNone;
}

int64_t LimitReached(Limit limit, int64_t value, int64_t response_time) {
  const bool is_time = limit != Limit::kNone && limit != Limit::kBufferSize;
  return is_time && response_time >= 0 && response_time + kTimerSlackMs < value
             ? -1
             : value;
}

std::string LimitDirective(Limit limit, Protocol protocol) {
  return limit == Limit::kNone
             ? ""
             : absl::StrCat(DirectivePrefix(protocol), Suffix(limit));
}

int64_t SufficientBuffer(int64_t header_bytes) {
  constexpr int64_t kPage = 4096;
  return (header_bytes + kPage - 1) / kPage * kPage;
}

int64_t SafeKeepAlive(int64_t idle_ms) {
  const int64_t most = idle_ms - std::max<int64_t>(idle_ms / 5, 100);
  return most >= 2000 ? most / 1000 * 1000 : most / 100 * 100;
}

}  // namespace upstream_502
