// Why nginx asked no other server after a failure, read from what it decided
// that by, at the moment it did.

#ifndef UPSTREAM_502_SRC_NGINX_RETRY_H_
#define UPSTREAM_502_SRC_NGINX_RETRY_H_

#include "ngx_cxx.h"

#include <cstdint>

#include "upstream_502/words/failure.h"

namespace upstream_502 {

// A run that ended with the failure of its last attempt.
struct EndOfRun {
  const ngx_http_request_t* request;
  const ngx_http_upstream_t* upstream;
  int rc;              // nginx's
  uint32_t attempts;   // of the run
  uint32_t servers;    // of the group; 0: not known
  bool stream_closed;  // an HTTP/2 stream's early end, as the line says
};

// How many servers `u`'s target from a variable has; 0: not known.
uint32_t ServersOf(const ngx_http_upstream_t* u);

// Sets what `failure` says of it: `not_retried` and `next_limit`. kUnknown
// where nginx would not have asked another one whatever was configured.
void SayWhyNotRetried(const EndOfRun& end, Failure* failure);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_RETRY_H_
