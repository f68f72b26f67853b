// What nginx has measured of an attempt, and the limits it had set.

#ifndef UPSTREAM_502_SRC_NGINX_MEASURE_H_
#define UPSTREAM_502_SRC_NGINX_MEASURE_H_

#include "ngx_cxx.h"

#include <algorithm>
#include <cstdint>

#include "bridge.h"
#include "context.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/words/failure.h"

namespace upstream_502 {

inline int32_t Milliseconds(ngx_msec_t value) {
  return value == kUnsetTime
             ? -1
             : static_cast<int32_t>(std::min<ngx_msec_t>(value, INT32_MAX));
}

// What it took, in ms.
inline int64_t TimeOf(const State& state) {
  return std::max(Milliseconds(state.response_time), 0);
}

// Times and bytes.
void AddTimes(const State& state, Failure* failure);

// What nginx's own limit that decided was set to; -1 where none did.
void AddLimit(const Attempt& attempt, const ngx_http_request_t* r,
              const ngx_http_upstream_t* u, Failure* failure);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_MEASURE_H_
