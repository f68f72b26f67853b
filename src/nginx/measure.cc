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

void AddLimit(const Attempt& attempt, const ngx_http_upstream_t* u,
              Failure* failure) {
  const Limit limit =
      DecidingLimit(failure->cause, attempt.message, attempt.timer);
  failure->limit =
      LimitReached(limit, ValueOf(limit, u), failure->response_time);
}

}  // namespace upstream_502
