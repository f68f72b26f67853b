// The statuses that calls of gRPC end with: nginx passes them on and takes the
// response for a good one.

#ifndef UPSTREAM_502_SRC_NGINX_GRPC_H_
#define UPSTREAM_502_SRC_NGINX_GRPC_H_

#include "ngx_cxx.h"

#include <cstdint>

#include "upstream_502/store/store.h"

namespace upstream_502 {

// Whether the runs of `u` are grpc_pass's, with or without TLS.
inline bool SpeaksGrpc(const ngx_http_upstream_t& u) {
  return u.schema.len > 4 && ngx_strncmp(u.schema.data, "grpc", 4) == 0;
}

// A run of `u`, which speaks gRPC, is over: counts the status that its call
// ended with, unless that is OK.
void CountGrpcStatus(const ngx_http_upstream_t& u, Store* store, uint32_t row);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_GRPC_H_
