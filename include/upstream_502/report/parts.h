// What the renderers share. There is one renderer per format, each escaping
// text from outside once, at the place where it is written. They work in pieces
// so that a large zone never holds the worker:
//
//   const Excerpt excerpt(report);  // must outlive its renderer
//   std::unique_ptr<Renderer> renderer = MakeJsonRenderer(excerpt);
//   std::string out;
//   while (renderer->Next(&out)) { … send, or go on later … }
//
// A report is a list of parts, each part a run of small items, and a piece is
// as many items as fit.

#ifndef UPSTREAM_502_REPORT_PARTS_H_
#define UPSTREAM_502_REPORT_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/report/excerpt.h"

namespace upstream_502 {

class Renderer {
 public:
  virtual ~Renderer() = default;
  // Appends the next piece (at most some 16 KiB, and nothing where much is left
  // out) to `out`. False when nothing is left; then `out` was not touched.
  virtual bool Next(std::string* out) = 0;
};

// Appends its next item, at most some 8 KiB; false when there is none left.
using Part = std::function<bool(std::string* out)>;

// A part of one item.
Part Once(std::function<void(std::string* out)> write);

// A part of `count` items.
Part Each(size_t count, std::function<void(size_t i, std::string* out)> write);

// What stands for the peers of a place, which a client may choose.
inline constexpr absl::string_view kVariablePeer = "(variable)";

// A part with an item for each upstream that is shown.
Part EachUpstream(
    const Excerpt& excerpt,
    std::function<void(const UpstreamStats& upstream, std::string* out)> write);

// A part with one item per peer of each upstream; those of a place are one,
// with attempts, failures, causes and last failure.
Part EachPeer(const Excerpt& excerpt,
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

// Whether something failed there.
bool IsTroubled(const UpstreamStats& upstream);

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

// All pieces at once, for tests and small answers.
std::string RenderAll(Renderer& renderer);

// "\n== title =====...\n", as wide as a report in text.
void AppendTitle(absl::string_view title, std::string* out);

}  // namespace upstream_502

#endif  // UPSTREAM_502_REPORT_PARTS_H_
