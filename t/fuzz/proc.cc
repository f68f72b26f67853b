// Files of /proc, /sys and /etc, of a kernel that writes them otherwise or of
// whoever has put others in their place.
//
// The input is a line with a name, and the text of the file.

#include <algorithm>

#include "absl/strings/string_view.h"
#include "input.h"
#include "system/confined.h"
#include "system/hosts.h"
#include "system/limits.h"
#include "system/memory.h"

namespace upstream_502 {
namespace {

void Count(absl::string_view text) {
  REQUIRE(ParseOomKill(text) >= -1);
  const Usage files = ParseFileNr(text);
  REQUIRE(files.used >= -1 && files.max >= -1);
  const int32_t ports = ParsePortRange(text);
  REQUIRE(ports >= -1 && ports <= 65536);
  REQUIRE(ParseSockstat(text, "TCP:") >= -1);
}

// Readings in any order, as a counter has them that is another's suddenly.
void Watch(Input input) {
  OomWatch watch;
  int64_t now_ms = 0;
  while (!input.empty()) {
    now_ms += input.Take<uint16_t>();
    const auto counter = std::max<int64_t>(input.Take<int64_t>(), -1);
    const OomKills kills = watch.Take(counter, now_ms);
    REQUIRE(kills.count >= -1 && kills.seconds >= -1);
  }
}

}  // namespace
}  // namespace upstream_502

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace upstream_502;
  Input input(data, size);
  const absl::string_view name = input.Line();
  Watch(input);
  const absl::string_view text = input.Rest();
  Count(text);
  FindHost(text, name);
  ConfinementOf(name, text);
  return 0;
}
