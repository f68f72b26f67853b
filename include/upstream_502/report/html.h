// The page: the text report for those without scripts, the JSON for the rest.

#ifndef UPSTREAM_502_REPORT_HTML_H_
#define UPSTREAM_502_REPORT_HTML_H_

#include <memory>

#include "absl/strings/string_view.h"
#include "upstream_502/report/parts.h"

namespace upstream_502 {

std::unique_ptr<Renderer> MakeHtmlRenderer(const Excerpt& excerpt);

// The Content-Security-Policy it is to be sent with.
absl::string_view PageCsp();

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_HTML_H_
