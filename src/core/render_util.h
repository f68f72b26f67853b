// What the renderers share: a report is a list of parts, each part a run of
// small items, and a piece is as many items as fit.

#ifndef UPSTREAM_502_CORE_RENDER_UTIL_H_
#define UPSTREAM_502_CORE_RENDER_UTIL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "upstream_502/render.h"
#include "upstream_502/snapshot.h"

namespace upstream_502 {

// Responses that no upstream was asked for are counted under this name.
inline constexpr absl::string_view kNoUpstream = "(none)";

// Appends its next item, at most some 8 KiB; false when there is none left.
using Part = std::function<bool(std::string* out)>;

// As absl::StrAppendFormat, of less than 256 bytes. That one ends the process
// where memory is out, this one throws like everything else.
template <typename... Args>
void AppendFormat(std::string* out, const absl::FormatSpec<Args...>& format,
                  const Args&... args) {
  char text[256];
  const int size = absl::SNPrintF(text, sizeof(text), format, args...);
  out->append(text, std::min(static_cast<size_t>(size), sizeof(text) - 1));
}

// A part of one item.
Part Once(std::function<void(std::string* out)> write);

// A part of `count` items.
Part Each(size_t count, std::function<void(size_t i, std::string* out)> write);

// A part with one item per peer of each upstream.
Part EachPeer(const std::vector<UpstreamStats>& upstreams,
              std::function<void(const UpstreamStats& upstream,
                                 const PeerStats& peer, std::string* out)>
                  write);

class PartsRenderer : public Renderer {
 public:
  explicit PartsRenderer(std::vector<Part> parts);
  bool Next(std::string* out) override;

 private:
  std::vector<Part> parts_;
  size_t current_ = 0;
};

// Whether lists of upstreams show it: a real one that had a request.
bool IsListed(const UpstreamStats& upstream);

// Whether any upstream of the (filtered) snapshot has that name.
bool HasUpstream(const Snapshot& snapshot, absl::string_view name);

// `text` in printable ASCII, so that bytes are columns.
std::string Plain(absl::string_view text);

// `text` in at most `width` (8 or more) columns, without its middle where it
// is longer: both ends of a name tell more than its beginning alone. Plain.
std::string Shorten(absl::string_view text, size_t width);

// How wide the text report is at most.
inline constexpr size_t kColumns = 100;

// Appends `text` over as many lines as it needs, broken at blanks where there
// are any: the first behind `lead`, the others `indent` columns in. Plain.
void AppendWrapped(absl::string_view lead, size_t indent,
                   absl::string_view text, std::string* out);

// "2026-11-20 21:43:31" of Unix ms, in UTC.
std::string FormatDateTime(int64_t ms);

// "45s", "12m 5s", "3h 20m", "2d 4h".
std::string FormatDuration(int64_t ms);

// "12.5%"; "-" of nothing. Only 0 and all are "0.0%" and "100.0%".
std::string FormatPercent(uint64_t part, uint64_t whole);

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_RENDER_UTIL_H_
