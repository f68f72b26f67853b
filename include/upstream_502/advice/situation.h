// What the last minutes of one upstream say, gathered once; the rules of
// `Diagnose` decide on it. A minute counts as good when requests came and
// nothing failed.

#ifndef UPSTREAM_502_ADVICE_SITUATION_H_
#define UPSTREAM_502_ADVICE_SITUATION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "upstream_502/store/snapshot.h"

namespace upstream_502 {

// Fewer failures tell no pattern.
inline constexpr uint64_t kTellsPattern = 3;

// Neither attempts nor failures of it hold the ends of idle connections.
struct Server {
  const PeerStats* stats;
  uint64_t attempts = 0;  // in the window, as all below
  uint64_t failures = 0;
  uint64_t idle_ends = 0;
  double ratio() const {
    return attempts == 0
               ? 0
               : static_cast<double>(failures) / static_cast<double>(attempts);
  }
};

// What is known about the last minutes of one upstream.
struct Situation {
  Situation(const Snapshot& snapshot_in, const UpstreamStats& upstream_in)
      : snapshot(snapshot_in), upstream(upstream_in) {}

  int64_t now() const { return snapshot.server.time; }

  const Snapshot& snapshot;
  const UpstreamStats& upstream;
  std::vector<Server> servers;       // worst first
  std::vector<const Event*> events;  // newest first
  const Event* example = nullptr;    // the newest of the dominant cause
  uint64_t attempts = 0;
  uint64_t failures = 0;
  uint64_t untried = 0;  // of them: nginx gave up before any attempt
  Cause cause = Cause::kUnknown;
  double share = 0;
  // Failures without a server to try, where others are told: a consequence of
  // those, unless servers were kept out by max_conns.
  uint64_t no_live = 0;
  bool kept_out = false;
  // Ends of idle connections after a 101, or of silent event streams: no fault,
  // and in no other number here. Where there is nothing else the events and the
  // cause are theirs.
  uint64_t idle_ends = 0;
  int64_t last_failure = 0;
  int64_t last_success = 0;
  int64_t since = 0;  // when the present spell of failures began
};

// How many of all failures of the upstream were before any attempt.
uint64_t BeforeAttempts(const Snapshot& snapshot,
                        const UpstreamStats& upstream);

// Its URI without arguments.
absl::string_view PathOf(const Event& event);

// How much of the last minutes has been counted: ms, at least a second.
int64_t WindowOf(const Situation& situation);

// Gateway responses with 502 in the window.
uint64_t Responses502(const Situation& situation);

// Where nothing failed lately only the counts are filled in.
Situation Collect(const Snapshot& snapshot, const UpstreamStats& upstream);

// Failures since anything last worked.
uint64_t FailuresInARow(const Situation& situation);

bool IsOutage(const Situation& situation);

// Everything that failed has worked again since, and for a while.
bool IsRecovered(const Situation& situation);

// Nothing failed before this configuration, and failures came with it.
uint64_t RequestsBeforeReload(const Situation& situation);

// How many of the servers (worst first) fail while the rest is well; 0 where
// there is no such line.
size_t FailingServers(const Situation& situation);

// The path that (nearly) all recorded failures are on, "" where there is
// none, or where it cannot matter: the request was not read yet.
std::string CommonPath(const Situation& situation);

// Spells of failures within the hour, each after good minutes.
size_t Bursts(const Situation& situation);

// Whether no client got a gateway response in spite of every failure: another
// server's answer, a stale copy, or a page of the configuration's own.
bool AllRescued(const Situation& situation);

// Whether it was another server's, each time.
bool AnotherServerAnswered(const Situation& situation);

// Whether only requests that nginx would have repeated but for their method
// reached the client broken.
bool OnlyPosts(const Situation& situation);

}  // namespace upstream_502

#endif  // UPSTREAM_502_ADVICE_SITUATION_H_
