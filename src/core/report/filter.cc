// Which events and incidents a query asks for.

#include "upstream_502/report/filter.h"

#include <algorithm>
#include <vector>

#include "upstream_502/advice/findings.h"

namespace upstream_502 {

bool Matches(const Query& query, const Incident& incident) {
  const auto& peers = incident.peers;
  return Matches(query.upstream, incident.upstream) &&
         (!query.incident || *query.incident == incident.id) &&
         (!query.cause ||
          incident.causes[static_cast<size_t>(*query.cause)] > 0) &&
         (!query.finding ||
          incident.findings[static_cast<size_t>(*query.finding)] > 0) &&
         (!query.peer || std::any_of(peers.begin(), peers.end(),
                                     [&query](const Incident::Peer& peer) {
                                       return peer.addr == *query.peer;
                                     }));
}

bool Matches(const Query& query, const Event& event) {
  return event.id > query.since && Matches(query.upstream, event.upstream) &&
         Matches(query.peer, event.peer) &&
         (!query.incident || *query.incident == event.incident) &&
         (!query.cause || *query.cause == event.failure.cause);
}

bool HasFinding(const Event& event, Finding finding) {
  const std::vector<Found> findings = Findings(event);
  return std::any_of(
      findings.begin(), findings.end(),
      [finding](const Found& found) { return found.finding == finding; });
}

}  // namespace upstream_502
