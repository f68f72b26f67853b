// Reads nginx's measurements and limits.

#include "ngx_cxx.h"

#include "measure.h"

namespace upstream_502 {

int64_t ValueOf(Limit limit, const ngx_http_upstream_conf_t* conf) {
  switch (conf == nullptr ? Limit::kNone : limit) {
    case Limit::kNone:
      return -1;
    case Limit::kConnectTimeout:
      return Milliseconds(conf->connect_timeout);
    case Limit::kSendTimeout:
      return Milliseconds(conf->send_timeout);
    case Limit::kReadTimeout:
      return Milliseconds(conf->read_timeout);
    case Limit::kBufferSize:
      return static_cast<int64_t>(conf->buffer_size);
  }
  return -1;
}

void AddTimes(const State& state, Failure* failure) {
  failure->connect_time = Milliseconds(state.connect_time);
  failure->header_time = Milliseconds(state.header_time);
  failure->response_time = Milliseconds(state.response_time);
  failure->bytes_sent = static_cast<uint64_t>(state.bytes_sent);
  failure->bytes_received = static_cast<uint64_t>(state.bytes_received);
}

}  // namespace upstream_502
