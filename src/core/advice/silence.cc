// Whether anything has ever come from a server.

#include "silence.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/string_view.h"

namespace upstream_502 {
namespace {

// Of which something had come from the server.
constexpr Cause kAnswers[] = {Cause::kKeepaliveRace,  Cause::kHeaderIncomplete,
                              Cause::kHeaderInvalid,  Cause::kHeaderTooBig,
                              Cause::kProtocolError,  Cause::kErrorStatus,
                              Cause::kBodyIncomplete, Cause::kBodyTimeout};

bool HasAnswered(const PeerStats& peer) {
  return peer.last_success != 0 ||
         std::any_of(std::begin(kAnswers), std::end(kAnswers),
                     [&peer](Cause cause) {
                       return peer.causes[static_cast<size_t>(cause)] > 0;
                     });
}

bool HoldsBytes(const Event& event) {
  constexpr int kFirstFinal = 200;
  return event.failure.bytes_received > 0 ||
         (event.evidence && event.evidence->early_status >= kFirstFinal);
}

}  // namespace

bool HasNeverAnswered(const Situation& e) {
  std::set<absl::string_view> failing;
  for (const Server& server : e.servers) {
    if (server.failures > 0) {
      failing.insert(server.stats->addr);
    }
  }
  if (failing.empty() ||
      std::any_of(e.events.begin(), e.events.end(),
                  [](const Event* event) { return HoldsBytes(*event); })) {
    return false;
  }
  for (const UpstreamStats& upstream : e.snapshot.upstreams) {
    for (const PeerStats& peer : upstream.peers) {
      if (HasAnswered(peer) && failing.count(peer.addr) > 0) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace upstream_502
