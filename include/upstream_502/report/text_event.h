// One event in the text report.

#ifndef UPSTREAM_502_REPORT_TEXT_EVENT_H_
#define UPSTREAM_502_REPORT_TEXT_EVENT_H_

#include <string>

#include "upstream_502/store/event.h"

namespace upstream_502 {

// What stands above the first lines of events.
void AppendTextEventHead(std::string* out);

// What happened to whom, how, for which request, nginx's own words, and why:
// a few lines behind an empty one, none wider than kColumns.
void AppendTextEvent(const Event& event, std::string* out);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_TEXT_EVENT_H_
