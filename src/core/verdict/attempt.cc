// What nginx's structs said of an attempt.

#include "upstream_502/verdict/attempt.h"

#include <algorithm>
#include <cstddef>

namespace upstream_502 {

uint64_t Http2ResponseBytes(absl::string_view frames) {
  constexpr size_t kFrameHeader = 9;
  constexpr char kHeaders = 1;
  while (frames.size() >= kFrameHeader && frames[3] != kHeaders) {
    size_t length = kFrameHeader;
    for (size_t i = 0; i < 3; ++i) {
      length += size_t{static_cast<uint8_t>(frames[i])} << (8 * (2 - i));
    }
    frames.remove_prefix(std::min(length, frames.size()));
  }
  return frames.size() < kFrameHeader ? 0 : frames.size();
}

}  // namespace upstream_502
