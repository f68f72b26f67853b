// What the text report says of upstreams that have no failure.

#ifndef UPSTREAM_502_REPORT_TEXT_WELL_H_
#define UPSTREAM_502_REPORT_TEXT_WELL_H_

#include <string>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

// One line where no upstream that is shown has a failure.
void AppendVerdict(const Excerpt& excerpt, std::string* out);

// "without a failure: a (10 requests), b (5 requests, none answered so far)",
// over as many lines as it takes.
Part WithoutFailure(const Excerpt& excerpt);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_TEXT_WELL_H_
