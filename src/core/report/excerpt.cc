// Chooses what a query leaves of a report.

#include "upstream_502/report/excerpt.h"

#include <algorithm>
#include <utility>

#include "upstream_502/report/filter.h"
#include "upstream_502/report/parts.h"

namespace upstream_502 {
namespace {

// Findings are made when they are asked for: so many events could be looked at
// meanwhile.
constexpr size_t kFindingsWork = 50;

const UpstreamStats* Find(absl::string_view name, const Snapshot& snapshot) {
  const auto& upstreams = snapshot.upstreams;
  const auto found = std::lower_bound(
      upstreams.begin(), upstreams.end(), name,
      [](const UpstreamStats& upstream, absl::string_view wanted) {
        return upstream.name < wanted;
      });
  return found != upstreams.end() && found->name == name ? &*found : nullptr;
}

Query ForAll() {
  Query query;
  query.limit = UINT64_MAX;
  return query;
}

}  // namespace

Excerpt::Excerpt(const Report& report) : Excerpt(report, ForAll()) {
  Choose(SIZE_MAX);
}

Excerpt::Excerpt(const Report& report, Query query)
    : report_(report), query_(std::move(query)) {
  const auto& incidents = report.snapshot.incidents;
  for (uint32_t i = 0; i < incidents.size(); ++i) {
    if (Matches(query_, incidents[i])) {
      incidents_.push_back(i);
    }
  }
}

bool Excerpt::Choose(size_t work) {
  const auto& events = report_.snapshot.events;
  for (size_t done = 0; next_event_ < events.size(); ++done) {
    if (done >= work) {
      return true;
    }
    const uint32_t i = next_event_++;
    if (!Matches(query_, events[i])) {
      continue;
    }
    if (query_.finding) {
      done += kFindingsWork;
      if (!HasFinding(events[i], *query_.finding)) {
        continue;
      }
    }
    if (events_.size() < query_.limit) {
      events_.push_back(i);
    } else if (query_.incident && !query_.finding && query_.limit > 0) {
      events_.back() = i;  // the first on record in the end
    } else {
      return false;
    }
  }
  return false;
}

bool Excerpt::Shows(const UpstreamStats& upstream) const {
  const auto& peers = upstream.peers;
  return Matches(query_.upstream, upstream.name) &&
         (!query_.incident ||
          (!incidents_.empty() && incident(0).upstream == upstream.name)) &&
         (!query_.cause ||
          upstream.causes[static_cast<size_t>(*query_.cause)] > 0) &&
         (!query_.finding ||
          upstream.findings[static_cast<size_t>(*query_.finding)] > 0) &&
         (!query_.peer ||
          std::any_of(peers.begin(), peers.end(),
                      [this](const PeerStats& peer) { return Shows(peer); }));
}

bool Excerpt::Shows(const PeerStats& peer) const {
  return Matches(query_.peer, peer.addr);
}

bool Excerpt::ShowsUpstream(absl::string_view name) const {
  const UpstreamStats* upstream = Find(name, report_.snapshot);
  return upstream != nullptr && Shows(*upstream);
}

void SortTroubled(Report* report) {
  const List<UpstreamStats>& upstreams = report->snapshot.upstreams;
  List<Troubled>& troubled = report->troubled;
  std::vector<bool> diagnosed(upstreams.size());
  troubled.clear();
  troubled.reserve(upstreams.size());
  for (uint32_t i = 0; i < report->diagnoses.size(); ++i) {
    const UpstreamStats* upstream =
        Find(report->diagnoses[i].upstream, report->snapshot);
    if (upstream != nullptr && IsTroubled(*upstream)) {
      const auto at = static_cast<uint32_t>(upstream - upstreams.data());
      diagnosed[at] = true;
      troubled.push_back({at, i});
    }
  }
  const auto first = static_cast<ptrdiff_t>(troubled.size());
  for (uint32_t i = 0; i < upstreams.size(); ++i) {
    if (IsTroubled(upstreams[i]) && !diagnosed[i]) {
      troubled.push_back({i, Troubled::kNotDiagnosed});
    }
  }
  std::stable_sort(troubled.begin() + first, troubled.end(),
                   [&upstreams](const Troubled& a, const Troubled& b) {
                     return upstreams[a.upstream].failures >
                            upstreams[b.upstream].failures;
                   });
}

}  // namespace upstream_502
