// Sums over a snapshot.

#include "upstream_502/store/snapshot.h"

#include <algorithm>
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

void Merge(const PeerStats& from, PeerStats* to) {
  to->attempts += from.attempts;
  to->failures += from.failures;
  for (size_t i = 0; i < kMaxCauses; ++i) {
    to->causes[i] += from.causes[i];
  }
  for (size_t i = 0; i < kErrnoClassCount; ++i) {
    to->errno_classes[i] += from.errno_classes[i];
  }
  if (to->first_failure == 0 ||
      (from.first_failure != 0 && from.first_failure < to->first_failure)) {
    to->first_failure = from.first_failure;
  }
  if (from.last_failure > to->last_failure) {
    to->last_failure = from.last_failure;
    to->last_cause = from.last_cause;
  }
  to->last_success = std::max(to->last_success, from.last_success);
  for (size_t i = 0; i < kPeerMinutes; ++i) {
    to->recent.buckets[i].attempts += from.recent.buckets[i].attempts;
    to->recent.buckets[i].failures += from.recent.buckets[i].failures;
  }
}

}  // namespace upstream_502
