// The statuses of gRPC.

#include "upstream_502/words/grpc.h"

#include <iterator>

namespace upstream_502 {
namespace {

constexpr absl::string_view kNames[] = {
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};
static_assert(std::size(kNames) == kGrpcStatusCount);

}  // namespace

absl::string_view GrpcStatusName(size_t status) {
  return status >= 1 && status <= kGrpcStatusCount ? kNames[status - 1] : "";
}

uint8_t ParseGrpcStatus(absl::string_view value) {
  if (value.empty() || value.size() > 2) {
    return 0;
  }
  uint8_t status = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') {
      return 0;
    }
    status = static_cast<uint8_t>(10 * status + (c - '0'));
  }
  return status <= kGrpcStatusCount ? status : 0;
}

}  // namespace upstream_502
