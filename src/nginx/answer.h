// What an upstream's answer says beyond its status: that it is none of HTTP,
// that it was cut, that it is a stream of events, how a call of gRPC ended.

#ifndef UPSTREAM_502_SRC_NGINX_ANSWER_H_
#define UPSTREAM_502_SRC_NGINX_ANSWER_H_

#include "ngx_cxx.h"

#include <cstdint>

#include "upstream_502/store/store.h"

namespace upstream_502 {

// The connection ended, and with it a body shorter than was announced.
inline bool EndedShort(const ngx_http_upstream_t* u) {
  const ngx_event_pipe_t* pipe = u->pipe;
  return pipe != nullptr && pipe->upstream_eof && !pipe->upstream_done &&
         u->headers_in.content_length_n > 0 && pipe->read_length > 0 &&
         pipe->read_length < u->headers_in.content_length_n;
}

// FastCGI without keep-alive ends its body with the connection: nginx takes a
// body for whole that is shorter than its Content-Length. Record headers are
// in read_length too, so that this is certain where it is said.
bool IsCutFastcgi(const ngx_http_upstream_t* u);

// Whether nginx has passed on what it received as HTTP/0.9, to a client that
// asked in a later one.
bool IsPassedAsNoHttp(const ngx_http_request_t* r,
                      const ngx_http_upstream_t* u);

// Whether it is a text/event-stream, which may be silent for long.
bool IsEventStream(const ngx_http_upstream_t* u);

// Whether runs in this protocol are grpc_pass's.
inline bool IsGrpc(Protocol protocol) {
  return protocol == Protocol::kGrpc || protocol == Protocol::kGrpcs;
}

// A run of `u`, which speaks gRPC, is over: counts the status that its call
// ended with, unless that is OK. nginx passes it on and takes the response for
// a good one.
void CountGrpcStatus(const ngx_http_upstream_t& u, Store* store, uint32_t row);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ANSWER_H_
