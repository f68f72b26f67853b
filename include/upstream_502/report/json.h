// The JSON of the status location.

#ifndef UPSTREAM_502_REPORT_JSON_H_
#define UPSTREAM_502_REPORT_JSON_H_

#include <memory>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

std::unique_ptr<Renderer> MakeJsonRenderer(const Excerpt& excerpt);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_JSON_H_
