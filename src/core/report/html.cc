// The page.

#include "upstream_502/report/html.h"

#include <string>
#include <utility>
#include <vector>

#include "page_data.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/text.h"
#include "upstream_502/words/escape.h"

namespace upstream_502 {
namespace {

constexpr size_t kSlice = 8192;

Part Slices(absl::string_view text) {
  return Each((text.size() + kSlice - 1) / kSlice,
              [text](size_t i, std::string* out) {
                const absl::string_view slice = text.substr(i * kSlice, kSlice);
                out->append(slice.data(), slice.size());
              });
}

// JSON needs no escaping inside of a script element: no string of it holds a
// '<'.
Part Pieces(std::shared_ptr<Renderer> renderer) {
  return [renderer = std::move(renderer)](std::string* out) {
    return renderer->Next(out);
  };
}

Part Escaped(std::shared_ptr<Renderer> text) {
  return [text = std::move(text)](std::string* out) {
    std::string piece;
    if (!text->Next(&piece)) {
      return false;
    }
    AppendHtml(piece, out);
    return true;
  };
}

}  // namespace

absl::string_view PageCsp() { return kPageCsp; }

std::unique_ptr<Renderer> MakeHtmlRenderer(const Excerpt& excerpt) {
  std::vector<Part> parts;
  parts.push_back(Slices(kPageStart));
  parts.push_back(Escaped(MakeTextRenderer(excerpt)));
  parts.push_back(Slices(kPageAfterReport));
  parts.push_back(Pieces(MakeJsonRenderer(excerpt)));
  parts.push_back(Slices(kPageAfterData));
  return std::make_unique<PartsRenderer>(std::move(parts));
}

}  // namespace upstream_502
