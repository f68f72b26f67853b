// Sums over a snapshot.

#include "upstream_502/store/snapshot.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <vector>

#include "absl/strings/string_view.h"

namespace upstream_502 {
namespace {

template <size_t N>
void AddAll(const std::array<uint64_t, N>& from, std::array<uint64_t, N>* to) {
  std::transform(from.begin(), from.end(), to->begin(), to->begin(),
                 std::plus<>());
}

void Add(const Minute& from, Minute* to) {
  to->requests += from.requests;
  to->failures += from.failures;
  to->responses_502 += from.responses_502;
}

}  // namespace

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

UpstreamStats* FindUpstream(absl::string_view name,
                            List<UpstreamStats>* upstreams) {
  const auto found = std::lower_bound(
      upstreams->begin(), upstreams->end(), name,
      [](const UpstreamStats& upstream, absl::string_view wanted) {
        return upstream.name < wanted;
      });
  return found != upstreams->end() && found->name == name ? &*found : nullptr;
}

void SettleIncidents(Snapshot* snapshot) {
  std::sort(snapshot->incidents.begin(), snapshot->incidents.end(),
            [](const Incident& a, const Incident& b) { return a.id > b.id; });
  std::map<absl::string_view, std::vector<const Incident*>> of;
  for (const Incident& incident : snapshot->incidents) {
    of[incident.upstream].push_back(&incident);
  }
  for (Event& event : snapshot->events) {
    const auto found = of.find(event.upstream);
    if (found == of.end()) {
      continue;
    }
    for (const Incident* incident : found->second) {
      if (Covers(*incident, event.failure.time_ms)) {
        event.incident = incident->id;
        break;
      }
    }
  }
  for (const auto& [name, incidents] : of) {
    if (UpstreamStats* upstream = FindUpstream(name, &snapshot->upstreams)) {
      upstream->last_incident = incidents.front()->id;
      upstream->incident_open = incidents.front()->open;
    }
  }
}

void Merge(const PeerStats& from, PeerStats* to) {
  to->attempts += from.attempts;
  to->failures += from.failures;
  AddAll(from.causes, &to->causes);
  AddAll(from.errno_classes, &to->errno_classes);
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
    to->recent.buckets[i].idle_ends += from.recent.buckets[i].idle_ends;
  }
}

void Merge(const UpstreamStats& from, UpstreamStats* to) {
  to->requests += from.requests;
  to->attempts += from.attempts;
  to->failures += from.failures;
  to->rescued += from.rescued;
  for (size_t i = 0; i < kResponseCodeCount; ++i) {
    AddAll(from.responses[i], &to->responses[i]);
  }
  AddAll(from.causes, &to->causes);
  AddAll(from.errno_classes, &to->errno_classes);
  AddAll(from.findings, &to->findings);
  AddAll(from.grpc_statuses, &to->grpc_statuses);
  for (size_t i = 0; i < kHistoryMinutes; ++i) {
    Add(from.history.buckets[i], &to->history.buckets[i]);
  }
  for (size_t i = 0; i < std::min(from.hours.size(), to->hours.size()); ++i) {
    Add(from.hours[i], &to->hours[i]);
  }
  to->incidents += from.incidents;
  AddAll(from.recent_causes, &to->recent_causes);
  AddAll(from.time_to_failure.counts, &to->time_to_failure.counts);
  to->time_to_failure.sum += from.time_to_failure.sum;
  to->time_to_failure.count += from.time_to_failure.count;
  to->seen = to->seen || from.seen;
}

}  // namespace upstream_502
