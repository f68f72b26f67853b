// Sums over a snapshot.

#include "upstream_502/store/snapshot.h"

#include <numeric>

namespace upstream_502 {

uint64_t SumResponses(const ResponseCounts& responses) {
  uint64_t sum = 0;
  for (const auto& origins : responses) {
    sum = std::accumulate(origins.begin(), origins.end(), sum);
  }
  return sum;
}

uint64_t ResponsesWithCode(const ResponseCounts& responses, int code) {
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    if (kResponseCodes[i] == code) {
      return std::accumulate(responses[i].begin(), responses[i].end(),
                             uint64_t{0});
    }
  }
  return 0;
}

uint64_t ResponsesWithOrigin(const ResponseCounts& responses, Origin origin) {
  uint64_t sum = 0;
  for (const auto& origins : responses) {
    sum += origins[static_cast<size_t>(origin)];
  }
  return sum;
}

}  // namespace upstream_502
