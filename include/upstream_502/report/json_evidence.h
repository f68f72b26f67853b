// The JSON of what the kernel knew about one failure.

#ifndef UPSTREAM_502_REPORT_JSON_EVIDENCE_H_
#define UPSTREAM_502_REPORT_JSON_EVIDENCE_H_

#include <string>

#include "upstream_502/store/event.h"

namespace upstream_502 {

// The raw values that findings were made from, each under the name it has in
// `Evidence`; what was not looked at is left out. null where nothing was asked.
void AppendEvidenceJson(const Event& event, std::string* out);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_JSON_EVIDENCE_H_
