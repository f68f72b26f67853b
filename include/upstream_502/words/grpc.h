// The statuses of gRPC, which a call ends with in `grpc-status`: a 200 with 14
// is a failure to its client, and none of HTTP.

#ifndef UPSTREAM_502_WORDS_GRPC_H_
#define UPSTREAM_502_WORDS_GRPC_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

// 1 to 16; 0 is OK.
inline constexpr size_t kGrpcStatusCount = 16;

// "UNAVAILABLE" for 14; "" for 0 and for what is none.
absl::string_view GrpcStatusName(size_t status);

// 14 for "14"; 0 for OK and for what is no status of gRPC.
uint8_t ParseGrpcStatus(absl::string_view value);

}  // namespace upstream_502

#endif  // UPSTREAM_502_WORDS_GRPC_H_
