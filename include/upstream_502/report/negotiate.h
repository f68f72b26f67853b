// The format of an answer: what it is called, who chooses it, its Content-Type.

#ifndef UPSTREAM_502_REPORT_NEGOTIATE_H_
#define UPSTREAM_502_REPORT_NEGOTIATE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace upstream_502 {

enum class Format : uint8_t {
  kAuto,
  kHtml,
  kJson,
  kText,
  kPrometheus,   // text/plain; version=0.0.4
  kOpenMetrics,  // application/openmetrics-text
};

// "html", "json", "text" or "prometheus"; false for anything else.
bool ParseFormat(absl::string_view name, Format* format);

// The format to answer with: the directive's unless kAuto, else the query's
// unless kAuto, else what `accept` (the header's value, "" if absent) asks for,
// else kText. Where directive or query say kPrometheus, `accept` may still
// choose kOpenMetrics. Honours q values; media types compare without case.
Format ChooseFormat(Format directive, Format query, absl::string_view accept);

// The Content-Type of an answer in `format`.
absl::string_view ContentType(Format format);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_NEGOTIATE_H_
