// What the findings of incidents said.

#include "upstream_502/advice/explain.h"

#include <algorithm>
#include <map>
#include <utility>

#include "upstream_502/advice/findings.h"

namespace upstream_502 {
namespace {

void TakeTexts(const Event& event, List<Incident::Text>* texts) {
  for (Found& found : Findings(event)) {
    const bool known = std::any_of(texts->begin(), texts->end(),
                                   [&found](const Incident::Text& text) {
                                     return text.finding == found.finding;
                                   });
    if (!known) {
      texts->push_back({found.finding, String(found.text)});
    }
  }
}

}  // namespace

void ExplainIncidents(Snapshot* snapshot) {
  struct Asked {
    Incident* incident;
    int events = 0;
  };
  std::map<uint64_t, Asked> by_id;
  for (Incident& incident : snapshot->incidents) {
    by_id.emplace(incident.id, Asked{&incident});
  }
  for (const Event& event : snapshot->events) {
    const auto found = by_id.find(event.incident);
    if (found != by_id.end() && event.evidence &&
        found->second.events++ < kIncidentEventsAsked) {
      TakeTexts(event, &found->second.incident->texts);
    }
  }
}

}  // namespace upstream_502
