// Renderers: one per format, each escaping text from outside once, at the
// place where it is written. They work in pieces so that a large zone never
// holds the worker:
//
//   std::unique_ptr<Renderer> renderer = MakeJsonRenderer(report);
//   std::string out;
//   while (renderer->Next(&out)) { … send, or go on later … }

#ifndef UPSTREAM_502_RENDER_H_
#define UPSTREAM_502_RENDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "upstream_502/diagnose.h"
#include "upstream_502/snapshot.h"

namespace upstream_502 {

// What is rendered: filtered statistics and the diagnoses made from all of
// them. Must outlive its renderer.
struct Report {
  Snapshot snapshot;
  std::vector<Diagnosis> diagnoses;
};

class Renderer {
 public:
  virtual ~Renderer() = default;
  // Appends the next piece (at most some 16 KiB) to `out`. False when nothing
  // is left; then `out` was not touched.
  virtual bool Next(std::string* out) = 0;
};

std::unique_ptr<Renderer> MakeJsonRenderer(const Report& report);
std::unique_ptr<Renderer> MakeTextRenderer(const Report& report);
std::unique_ptr<Renderer> MakeHtmlRenderer(const Report& report);
// The Content-Security-Policy the page is to be sent with.
absl::string_view PageCsp();

std::unique_ptr<Renderer> MakePrometheusRenderer(const Report& report);
std::unique_ptr<Renderer> MakeOpenMetricsRenderer(const Report& report);

// One event as the JSON object of the status location's `events`.
void AppendEventJson(const Event& event, std::string* out);

// All pieces at once, for tests and small answers.
std::string RenderAll(Renderer& renderer);

}  // namespace upstream_502

#endif  // UPSTREAM_502_RENDER_H_
