// Which events and incidents a query asks for.

#ifndef UPSTREAM_502_REPORT_FILTER_H_
#define UPSTREAM_502_REPORT_FILTER_H_

#include <optional>
#include <string>

#include "upstream_502/report/query.h"
#include "upstream_502/store/event.h"
#include "upstream_502/store/incident.h"
#include "upstream_502/words/region.h"

namespace upstream_502 {

inline bool Matches(const std::optional<std::string>& wanted,
                    const String& value) {
  return !wanted || value == *wanted;
}

// By upstream, incident, cause, finding and peer.
bool Matches(const Query& query, const Incident& incident);

// By upstream, incident, cause, peer and since. What was found is another
// question: it takes many times as long to answer.
bool Matches(const Query& query, const Event& event);
bool HasFinding(const Event& event, Finding finding);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_FILTER_H_
