// What the renderers make of an incident's counts.

#include "upstream_502/report/incident.h"

#include <algorithm>

namespace upstream_502 {

std::vector<TimelineSpan> TimelineOf(const Incident& incident) {
  size_t shown = kIncidentSpans;
  while (shown > 0 && incident.spans[shown - 1] == 0) {
    --shown;
  }
  std::vector<TimelineSpan> spans;
  for (size_t i = 0; i < shown; ++i) {
    const int64_t begin = kIncidentSpanStarts[i] * kMinuteMs;
    const int64_t end =
        i + 1 < kIncidentSpans ? kIncidentSpanStarts[i + 1] * kMinuteMs : begin;
    spans.push_back({incident.start + begin, end - begin, incident.spans[i]});
  }
  return spans;
}

std::vector<IncidentFinding> FoundIn(const Incident& incident) {
  std::vector<IncidentFinding> found;
  for (const Incident::Text& text : incident.texts) {
    const uint64_t count = incident.findings[static_cast<size_t>(text.finding)];
    if (count > 0) {
      found.push_back({text.finding, text.text, count});
    }
  }
  for (size_t i = 0; i < kFindingCount; ++i) {
    const auto finding = static_cast<Finding>(i);
    const bool known = std::any_of(found.begin(), found.end(),
                                   [finding](const IncidentFinding& each) {
                                     return each.finding == finding;
                                   });
    if (incident.findings[i] > 0 && !known) {
      found.push_back({finding, "", incident.findings[i]});
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const IncidentFinding& a, const IncidentFinding& b) {
                     const bool follows = IsConsequence(a.finding);
                     return follows != IsConsequence(b.finding)
                                ? !follows
                                : a.count > b.count;
                   });
  return found;
}

std::vector<Cause> CausesOf(const Incident& incident) {
  std::vector<Cause> causes;
  for (size_t i = 0; i < kCauseCount; ++i) {
    if (incident.causes[i] > 0) {
      causes.push_back(static_cast<Cause>(i));
    }
  }
  std::stable_sort(causes.begin(), causes.end(), [&](Cause a, Cause b) {
    return incident.causes[static_cast<size_t>(a)] >
           incident.causes[static_cast<size_t>(b)];
  });
  return causes;
}

}  // namespace upstream_502
