// The JSON of one incident.

#ifndef UPSTREAM_502_REPORT_JSON_INCIDENT_H_
#define UPSTREAM_502_REPORT_JSON_INCIDENT_H_

#include <string>

#include "absl/strings/string_view.h"
#include "upstream_502/store/incident.h"

namespace upstream_502 {

// One incident as the object of the status location's `incidents`; with a
// member `type` in front where one is given.
void AppendIncidentJson(const Incident& incident, std::string* out,
                        absl::string_view type = "");

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_JSON_INCIDENT_H_
