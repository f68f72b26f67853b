// What a backend answers, where nginx left it unread or could make nothing of
// it.
//
// The input is the answer, front to back.

#include <algorithm>

#include "absl/strings/string_view.h"
#include "input.h"
#include "system/peek.h"
#include "upstream_502/verdict/attempt.h"
#include "upstream_502/verdict/speaks.h"
#include "upstream_502/words/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const absl::string_view bytes = input.Rest();
  const int status = StatusOf(bytes);
  REQUIRE(status >= 0 && status <= 999);
  const Speaks speaks = SpeaksOf(bytes);
  REQUIRE((speaks == Speaks::kUnknown) == SpeaksName(speaks).empty());
  if (bytes.size() >= 3) {
    const auto at = [&bytes](size_t i) {
      return static_cast<uint32_t>(static_cast<uint8_t>(bytes[i]));
    };
    SpeaksOfFrameLength(at(0) << 16 | at(1) << 8 | at(2));
  }
  REQUIRE(Http2ResponseBytes(bytes) <= bytes.size());
  REQUIRE(ParseGrpcStatus(bytes) <= kGrpcStatusCount);

  // Its end is the same wherever it is cut.
  HeaderEnd whole;
  const bool found = whole.Find(bytes);
  for (const size_t cut : {size_t{1}, bytes.size() / 2, bytes.size()}) {
    HeaderEnd parts;
    const size_t first = std::min(cut, bytes.size());
    const bool same =
        parts.Find(bytes.substr(0, first)) || parts.Find(bytes.substr(first));
    REQUIRE(same == found && parts.size() == whole.size());
  }
  return 0;
}
