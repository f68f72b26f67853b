// The table of HTTP/2's error codes.

#include "upstream_502/advice/http2_error.h"

#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace upstream_502 {
namespace {

struct ErrorCode {
  absl::string_view name;
  absl::string_view means;
};

// By number, as in RFC 9113.
constexpr ErrorCode kErrorCodes[] = {
    {"NO_ERROR",
     "the server ends the connection in an orderly way, as for a "
     "restart or its limit on age or requests"},
    {"PROTOCOL_ERROR",
     "the server found a mistake in what nginx sent, often a "
     "header field it does not allow"},
    {"INTERNAL_ERROR", "the server failed: see its log"},
    {"FLOW_CONTROL_ERROR", "the server counts its windows in another way"},
    {"SETTINGS_TIMEOUT",
     "the server waited for an acknowledgement of its "
     "settings"},
    {"STREAM_CLOSED", "the server had closed the stream already"},
    {"FRAME_SIZE_ERROR", "a frame was too large for the server"},
    {"REFUSED_STREAM",
     "the server did not begin with the request, which may "
     "be sent again: it is at its limit, or restarts"},
    {"CANCEL", "the server does not need the stream any more"},
    {"COMPRESSION_ERROR", "the server could not read the compressed header"},
    {"CONNECT_ERROR", "a connection behind the server broke"},
    {"ENHANCE_YOUR_CALM",
     "the server finds it too much: its limits on "
     "requests, pings, resets or header fields"},
    {"INADEQUATE_SECURITY",
     "the server wants better TLS: see its versions "
     "and ciphers"},
    {"HTTP_1_1_REQUIRED", "the server wants HTTP/1.1 for this: proxy_pass"},
};

// NO_ERROR, where it is of one stream.
constexpr absl::string_view kStreamClosed =
    "the server closed the stream without an answer";

}  // namespace

Http2Error Http2ErrorOf(absl::string_view message) {
  Http2Error error;
  error.of_stream =
      absl::ConsumePrefix(&message, "upstream rejected request with error ");
  if ((error.of_stream ||
       absl::ConsumePrefix(&message, "upstream sent goaway with error ")) &&
      absl::SimpleAtoi(message, &error.code) &&
      error.code < std::size(kErrorCodes)) {
    error.name = kErrorCodes[error.code].name;
    error.means = error.of_stream && error.code == 0
                      ? kStreamClosed
                      : kErrorCodes[error.code].means;
  }
  return error;
}

}  // namespace upstream_502
