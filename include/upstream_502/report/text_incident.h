// Incidents in the text report.

#ifndef UPSTREAM_502_REPORT_TEXT_INCIDENT_H_
#define UPSTREAM_502_REPORT_TEXT_INCIDENT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/store/incident.h"

namespace upstream_502 {

// One of a list: a line for when, whom and how much, which begins with `lead`,
// and a line for why. None is wider than kColumns.
void AppendTextIncident(const Incident& incident, std::string* out,
                        absl::string_view lead = "");

// All of one, to paste into a post-mortem.
void AppendWholeIncident(const Incident& incident, std::string* out);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_TEXT_INCIDENT_H_
