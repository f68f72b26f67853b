// Reads nginx's measurements and limits.

#include "ngx_cxx.h"

#include "measure.h"

#include "upstream_502/advice/limit.h"

namespace upstream_502 {
namespace {

// The timeouts of this very run, where nginx has such (OpenResty, whose
// balancers may set them), else the configured ones.
template <typename Upstream>
const auto& TimeoutsOf(const Upstream& u) {
  if constexpr (requires {
                  u.connect_timeout, u.send_timeout, u.read_timeout;
                }) {
    return u;
  } else {
    return *u.conf;
  }
}

// Tengine: $upstream_connect_time and its like, where they are set.
template <typename Request>
int64_t OwnTimeout(Limit limit, const Request& r) {
  if constexpr (requires { r.connect_time, r.send_time, r.read_time; }) {
    const ngx_msec_t value = limit == Limit::kConnectTimeout ? r.connect_time
                             : limit == Limit::kSendTimeout  ? r.send_time
                             : limit == Limit::kReadTimeout  ? r.read_time
                                                             : kUnsetTime;
    return value == kUnsetTime ? -1 : static_cast<int64_t>(value);
  } else {
    return -1;
  }
}

int64_t ValueOf(Limit limit, const ngx_http_upstream_t* u) {
  switch (u->conf == nullptr ? Limit::kNone : limit) {
    case Limit::kNone:
      return -1;
    case Limit::kConnectTimeout:
      return Milliseconds(TimeoutsOf(*u).connect_timeout);
    case Limit::kSendTimeout:
      return Milliseconds(TimeoutsOf(*u).send_timeout);
    case Limit::kReadTimeout:
      return Milliseconds(TimeoutsOf(*u).read_timeout);
    case Limit::kBufferSize:
      return static_cast<int64_t>(u->conf->buffer_size);
  }
  return -1;
}

}  // namespace

void AddTimes(const State& state, Failure* failure) {
  failure->connect_time = Milliseconds(state.connect_time);
  failure->header_time = Milliseconds(state.header_time);
  failure->response_time = Milliseconds(state.response_time);
  failure->bytes_sent = static_cast<uint64_t>(state.bytes_sent);
  failure->bytes_received = static_cast<uint64_t>(state.bytes_received);
}

void AddLimit(const Attempt& attempt, const ngx_http_request_t* r,
              const ngx_http_upstream_t* u, Failure* failure) {
  const Limit limit =
      DecidingLimit(failure->cause, attempt.message, attempt.timer);
  const int64_t own = OwnTimeout(limit, *r);
  failure->limit = LimitReached(limit, own >= 0 ? own : ValueOf(limit, u),
                                failure->response_time);
}

}  // namespace upstream_502
