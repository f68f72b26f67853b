// What is told of the statistics: a report, made once for all who read it at
// the same time, and an excerpt of it for each of them.

#ifndef UPSTREAM_502_REPORT_EXCERPT_H_
#define UPSTREAM_502_REPORT_EXCERPT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/report/query.h"
#include "upstream_502/store/snapshot.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

// An upstream that has a block of its own in the text report, and what it is
// diagnosed with: places in the report's lists.
struct Troubled {
  static constexpr uint32_t kNotDiagnosed = UINT32_MAX;

  uint32_t upstream;
  uint32_t diagnosis;
};

struct Report {
  Snapshot snapshot;
  List<Diagnosis> diagnoses;  // made from all of the snapshot
  List<Troubled> troubled;    // see SortTroubled
};

// Puts down which upstreams are in trouble: those with a diagnosis first, in
// its order, then by failures.
void SortTroubled(Report* report);

// What a query leaves of a report. Nothing is copied, and nothing changes in
// the report, which must outlive it: of upstreams, those with the name, with a
// peer of the address, with failures of the cause or findings of the kind, and
// the one of the incident; their counts stay whole. Events are chosen by all
// of upstream, peer, cause, finding, incident and since, up to the limit: of
// one incident the first event on record is among them, too. Incidents are
// chosen by the first five. Totals stay as they are.
class Excerpt {
 public:
  // Everything: a report is an excerpt of itself.
  // NOLINTNEXTLINE(google-explicit-constructor)
  Excerpt(const Report& report);
  // Has to choose its events.
  Excerpt(const Report& report, Query query);

  // Looks at some more events, about as many as `work`. False when all are
  // chosen; not to be called again then.
  bool Choose(size_t work);

  const Snapshot& snapshot() const { return report_.snapshot; }
  const Report& report() const { return report_; }
  const Query& query() const { return query_; }

  bool Shows(const UpstreamStats& upstream) const;
  bool Shows(const PeerStats& peer) const;
  // Whether any upstream that it shows has that name.
  bool ShowsUpstream(absl::string_view name) const;

  // Newest first.
  size_t events() const { return events_.size(); }
  const Event& event(size_t i) const {
    return report_.snapshot.events[events_[i]];
  }
  size_t incidents() const { return incidents_.size(); }
  const Incident& incident(size_t i) const {
    return report_.snapshot.incidents[incidents_[i]];
  }

 private:
  const Report& report_;
  Query query_;
  std::vector<uint32_t> incidents_;
  std::vector<uint32_t> events_;
  uint32_t next_event_ = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_EXCERPT_H_
