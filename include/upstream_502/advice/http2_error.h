// HTTP/2's error codes, as nginx's lines have them.
//
//   Http2ErrorOf("upstream sent goaway with error 11").name
//   == "ENHANCE_YOUR_CALM"

#ifndef UPSTREAM_502_ADVICE_HTTP2_ERROR_H_
#define UPSTREAM_502_ADVICE_HTTP2_ERROR_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

struct Http2Error {
  uint32_t code = 0;
  bool of_stream = false;       // not of the whole connection
  absl::string_view name = {};  // of RFC 9113, section 7; "" where it has none
  absl::string_view means = {};
};

// The one that nginx's `message` is of; without a name where it is of none.
Http2Error Http2ErrorOf(absl::string_view message);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_HTTP2_ERROR_H_
