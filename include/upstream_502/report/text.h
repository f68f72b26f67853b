// The report an operator reads in a terminal: plain ASCII, never wider than
// kColumns.

#ifndef UPSTREAM_502_REPORT_TEXT_H_
#define UPSTREAM_502_REPORT_TEXT_H_

#include <memory>

#include "upstream_502/report/parts.h"

namespace upstream_502 {

std::unique_ptr<Renderer> MakeTextRenderer(const Excerpt& excerpt);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_TEXT_H_
