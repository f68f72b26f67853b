// Reads what an upstream has answered, beyond the status.

#include "ngx_cxx.h"

#include "answer.h"

#include "absl/strings/match.h"
#include "bridge.h"
#include "upstream_502/words/grpc.h"

namespace upstream_502 {
namespace {

// 0 where there is none, or it is OK.
uint8_t StatusIn(const ngx_list_t& headers) {
  for (const ngx_list_part_t* part = &headers.part; part != nullptr;
       part = part->next) {
    const auto* lines = static_cast<const ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (absl::EqualsIgnoreCase(View(lines[i].key), "grpc-status")) {
        return ParseGrpcStatus(View(lines[i].value));
      }
    }
  }
  return 0;
}

}  // namespace

bool IsCutFastcgi(const ngx_http_upstream_t* u) {
  return EndedShort(u) && View(u->schema) == "fastcgi://";
}

// post_action says HTTP/0.9 of every response.
bool IsPassedAsNoHttp(const ngx_http_request_t* r,
                      const ngx_http_upstream_t* u) {
  return r->http_version == NGX_HTTP_VERSION_9 && u->headers_in.status_n == 0 &&
         r->main->http_protocol.len != 0;
}

bool IsEventStream(const ngx_http_upstream_t* u) {
  const ngx_table_elt_t* type = u->headers_in.content_type;
  return type != nullptr &&
         absl::StartsWithIgnoreCase(View(type->value), "text/event-stream");
}

// A call that fails at once has no trailers: its status is in the header.
void CountGrpcStatus(const ngx_http_upstream_t& u, Store* store, uint32_t row) {
  uint8_t status = StatusIn(u.headers_in.trailers);
  if (status == 0) {
    status = StatusIn(u.headers_in.headers);
  }
  if (status != 0) {
    store->AddGrpcStatus(row, status);
  }
}

}  // namespace upstream_502
