// Makes a report for one reader, step by step.

#include "ngx_cxx.h"

#include "reader.h"

#include <memory>
#include <new>
#include <optional>
#include <string>

#include "bridge.h"
#include "conf.h"
#include "desk.h"
#include "shared_report.h"
#include "upstream_502/report/excerpt.h"
#include "upstream_502/report/html.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/text.h"

namespace upstream_502 {
namespace {

// Small, since each of those who read slowly holds one.
constexpr size_t kChunkBytes = 14 * 1024;
// What is looked at in one step for what to show.
constexpr size_t kChooseWork = 5000;

std::unique_ptr<Renderer> MakeRenderer(Format format, const Excerpt& excerpt) {
  switch (format) {
    case Format::kHtml:
      return MakeHtmlRenderer(excerpt);
    case Format::kJson:
      return MakeJsonRenderer(excerpt);
    case Format::kPrometheus:
      return MakePrometheusRenderer(excerpt);
    case Format::kOpenMetrics:
      return MakeOpenMetricsRenderer(excerpt);
    case Format::kAuto:
    case Format::kText:
      break;
  }
  return MakeTextRenderer(excerpt);
}

class Reader : public Outlet {
 public:
  Reader(ngx_http_request_t* r, const Query& query, Format format)
      : Outlet(r, GetMainConf(r)), query_(query), format_(format) {
    end = OnEnd;
    Enter(conf());
  }
  ~Reader() override { Leave(conf(), this); }

 private:
  static void OnEnd(Place* place);

  Made Make(std::string* text) override;
  bool Prepare();
  void Finish();

  const Query query_;
  const Format format_;
  std::optional<Excerpt> excerpt_;      // of its report, when that is whole
  std::unique_ptr<Renderer> renderer_;  // of the excerpt, when it is chosen
};

// Makes more of what it reads; whether that can be rendered now.
bool Reader::Prepare() {
  if (renderer_ != nullptr) {
    return true;
  }
  if (report == nullptr &&
      !TakeReport(conf(), this, /*hours=*/query_.window != Window::kHour)) {
    return false;
  }
  if (report->has_failed()) {
    throw std::bad_alloc();  // when it was another's turn
  }
  if (!report->is_whole()) {
    report->Make();
    return false;
  }
  if (!excerpt_) {
    excerpt_.emplace(report->report(), query_);
  }
  if (excerpt_->Choose(kChooseWork)) {
    return false;
  }
  renderer_ = MakeRenderer(format_, *excerpt_);
  return true;
}

// The report is not held for what is only to be sent.
void Reader::Finish() {
  renderer_.reset();
  excerpt_.reset();
  ReturnReport(conf(), this);
}

// One step: of making the report, or of rendering it.
Outlet::Made Reader::Make(std::string* text) {
  if (!Prepare()) {
    return Made::kMore;
  }
  while (text->size() < kChunkBytes) {
    const size_t before = text->size();
    if (!renderer_->Next(text)) {
      Finish();
      return Made::kAll;
    }
    if (text->size() == before) {  // much was left out: others first
      break;
    }
  }
  return Made::kMore;
}

void Reader::OnEnd(Place* place) {
  auto* reader = static_cast<Reader*>(place);
  reader->Finish();
  reader->Close(false);
}

}  // namespace

ngx_int_t AddReader(ngx_http_request_t* r, const Query& query, Format format,
                    Outlet** reader) {
  if (IsFull(*GetMainConf(r))) {
    return NGX_BUSY;
  }
  *reader = NewOutlet<Reader>(r, query, format);
  return *reader == nullptr ? NGX_ERROR : NGX_OK;
}

}  // namespace upstream_502
