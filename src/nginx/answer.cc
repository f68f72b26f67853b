// Reads the status that a call of gRPC ended with.

#include "ngx_cxx.h"

#include "grpc.h"

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
