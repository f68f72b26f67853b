// The format of an answer: what it is called, who chooses it, its Content-Type.

#ifndef UPSTREAM_502_REPORT_NEGOTIATE_H_
#define UPSTREAM_502_REPORT_NEGOTIATE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

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

// How one is told who follows.
enum class FollowFormat : uint8_t {
  kText,
  kJson,         // application/x-ndjson: an object a line
  kEventStream,  // text/event-stream: server-sent events
};

// As ChooseFormat; nothing where the directive leaves what cannot be followed.
// Server-sent events are JSON, and for the page: `accept` chooses them unless
// it is text that directive or query say.
absl::optional<FollowFormat> ChooseFollowFormat(Format directive, Format query,
                                                absl::string_view accept);

absl::string_view ContentType(FollowFormat format);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_NEGOTIATE_H_
