// The statistics as plain values: what `Copy` takes out of shared memory and
// what diagnoses and renderers are made from. No pointer into shared memory
// is left in it. Times are Unix ms, durations ms; 0 means "never" for the
// times of peers.

#ifndef UPSTREAM_502_STORE_SNAPSHOT_H_
#define UPSTREAM_502_STORE_SNAPSHOT_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "upstream_502/store/event.h"
#include "upstream_502/store/incident.h"
#include "upstream_502/store/kind.h"
#include "upstream_502/store/window.h"
#include "upstream_502/words/cause.h"
#include "upstream_502/words/finding.h"
#include "upstream_502/words/grpc.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

using CauseCounts = std::array<uint64_t, kMaxCauses>;
// Of the failures that the kernel was asked about.
using FindingCounts = std::array<uint64_t, kMaxFindings>;
// Responses with grpc-status 1 to 16; [0] is of 1.
using GrpcCounts = std::array<uint64_t, kGrpcStatusCount>;
using ErrnoCounts = std::array<uint64_t, kErrnoClassCount>;
// [index into kResponseCodes][Origin]
using ResponseCounts =
    std::array<std::array<uint64_t, kOriginCount>, kResponseCodeCount>;

// Oldest minute first; `start` is the start of the oldest minute and
// start + 59 minutes that of the running one.
template <typename T, size_t N>
struct History {
  int64_t start = 0;
  std::array<T, N> buckets{};
};
struct Minute {
  uint32_t requests = 0;
  uint32_t failures = 0;
  uint32_t responses_502 = 0;
};
struct PeerMinute {
  uint32_t attempts = 0;
  uint32_t failures = 0;
  uint32_t idle_ends = 0;  // of the failures: see IsIdleEnd
};

// Cumulative counts are NOT in here: counts[i] is what fell into
// (kTimeBounds[i-1], kTimeBounds[i]], counts[kTimeBuckets] what is above.
struct Histogram {
  std::array<uint64_t, kTimeBuckets + 1> counts{};
  uint64_t sum = 0;  // ms
  uint64_t count = 0;
};

struct PeerStats {
  String addr;  // as in $upstream_addr; "(other)" when the zone was full
  uint64_t attempts = 0;
  uint64_t failures = 0;
  CauseCounts causes{};
  ErrnoCounts errno_classes{};
  int64_t first_failure = 0;
  int64_t last_failure = 0;
  int64_t last_success = 0;
  Cause last_cause = Cause::kUnknown;  // meaningless while failures == 0
  History<PeerMinute, kPeerMinutes> recent;
};

struct UpstreamStats {
  String name;  // "(other)" when the zone was full; "(none)" for
                // responses that no upstream was asked for
  Protocol protocol = Protocol::kUnknown;
  UpstreamKind kind = UpstreamKind::kConfigured;
  uint64_t requests = 0;
  uint64_t attempts = 0;
  uint64_t failures = 0;
  uint64_t rescued = 0;
  ResponseCounts responses{};
  CauseCounts causes{};
  ErrnoCounts errno_classes{};
  FindingCounts findings{};
  GrpcCounts grpc_statuses{};
  History<Minute, kHistoryMinutes> history;
  List<Minute> hours;          // oldest first; empty unless they were wanted
  uint64_t incidents = 0;      // so far
  uint64_t last_incident = 0;  // id of the newest on record; 0: none
  bool incident_open = false;  // that one
  // Causes of the last kPeerMinutes minutes and the running one, summed.
  CauseCounts recent_causes{};
  Histogram time_to_failure;
  List<PeerStats> peers;
  bool seen = false;  // false: configured, but no request has come yet
};

struct ServerInfo {
  String hostname;
  String nginx_version;
  String module_version;
  int64_t pid = 0;
  int64_t time = 0;
  int64_t start_time = 0;   // counting since
  int64_t load_time = 0;    // this configuration was loaded
  uint64_t generation = 0;  // configurations loaded since start_time, from 1
  uint64_t restarts = 0;    // of nginx since start_time that it went on over
  // Where it listens itself: "0.0.0.0:80", "unix:/run/a.sock".
  List<String> listens = {};
};

struct ZoneInfo {
  String name;
  uint64_t size = 0;
  uint64_t peers = 0;
  uint64_t peers_max = 0;
  uint64_t events = 0;  // stored now
  uint64_t events_max = 0;
  uint64_t events_total = 0;
  uint64_t overflow = 0;
  uint64_t evicted = 0;    // rows that made room for others
  uint64_t incidents = 0;  // on record now
  uint64_t incidents_max = 0;
};

struct Totals {
  uint64_t requests = 0;
  uint64_t attempts = 0;
  uint64_t failures = 0;
  uint64_t rescued = 0;
  ResponseCounts responses{};
  CauseCounts causes{};
  FindingCounts findings{};
  std::array<Histogram, kMaxCauses> time_to_failure{};  // by cause
  History<uint64_t, kHistoryMinutes> requests_history;
  std::array<std::array<uint64_t, kHistoryMinutes>, kMaxCauses>
      causes_history{};  // same start as requests_history
  // The same by the hour; empty unless they were wanted.
  int64_t hours_start = 0;
  List<uint64_t> requests_hours;
  std::array<List<uint64_t>, kMaxCauses> causes_hours;
};

struct Snapshot {
  ServerInfo server;
  ZoneInfo zone;
  Totals totals;
  List<UpstreamStats> upstreams;  // sorted by name
  List<Event> events;             // newest first
  List<Incident> incidents;       // newest first
};

// Takes two rows of one peer together.
void Merge(const PeerStats& from, PeerStats* to);

// Adds what `from` counted, but for its peers and the incidents on record.
void Merge(const UpstreamStats& from, UpstreamStats* to);

// Sums that renderers and diagnoses share.
uint64_t SumResponses(const ResponseCounts& responses);
uint64_t ResponsesWithCode(const ResponseCounts& responses, int code);
uint64_t ResponsesWithOrigin(const ResponseCounts& responses, Origin origin);

// The upstream of that name; nullptr where there is none.
UpstreamStats* FindUpstream(absl::string_view name,
                            List<UpstreamStats>* upstreams);

// Puts incidents in order, newest first, and says of events and upstreams which
// one is theirs.
void SettleIncidents(Snapshot* snapshot);

}  // namespace upstream_502

#endif  // UPSTREAM_502_STORE_SNAPSHOT_H_
