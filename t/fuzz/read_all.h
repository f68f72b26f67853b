// Everything that a reader of the status location sets going, with what has to
// hold of every answer.

#ifndef UPSTREAM_502_T_FUZZ_READ_ALL_H_
#define UPSTREAM_502_T_FUZZ_READ_ALL_H_

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "input.h"
#include "report/json.h"
#include "upstream_502/advice/diagnose.h"
#include "upstream_502/advice/explain.h"
#include "upstream_502/report/excerpt.h"
#include "upstream_502/report/follow.h"
#include "upstream_502/report/json.h"
#include "upstream_502/report/parts.h"
#include "upstream_502/report/prometheus.h"
#include "upstream_502/report/text.h"
#include "upstream_502/store/copy.h"
#include "upstream_502/store/store.h"
#include "upstream_502/store/tail.h"

namespace upstream_502 {

// Whether it holds no control characters.
inline bool IsPrintableText(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (c >= 0 && c < ' ') || c == '\x7f';
  });
}

// Printable ASCII in lines.
inline bool IsPlainText(absl::string_view text) {
  for (const char c : text) {
    if (c != '\n' && (c < ' ' || c > '~')) {
      return false;
    }
  }
  return true;
}

inline void RenderInAllFormats(const Excerpt& excerpt) {
  const std::string json = RenderAll(*MakeJsonRenderer(excerpt));
  REQUIRE(JsonReader::Read(json).has_value());
  REQUIRE(IsPlainText(RenderAll(*MakeTextRenderer(excerpt))));
  RenderAll(*MakePrometheusRenderer(excerpt));
  const std::string metrics = RenderAll(*MakeOpenMetricsRenderer(excerpt));
  REQUIRE(metrics.size() >= 6 &&
          metrics.compare(metrics.size() - 6, 6, "# EOF\n") == 0);
}

// Diagnosed and rendered; `report` has a snapshot.
inline void Advise(Report* report, Query query = {}) {
  report->diagnoses = Diagnose(report->snapshot);
  ExplainIncidents(&report->snapshot);
  SortTroubled(report);
  Excerpt excerpt(*report, std::move(query));
  while (excerpt.Choose(SIZE_MAX)) {
  }
  RenderInAllFormats(excerpt);
}

// As one who follows is told it, beginning with what is there.
inline void FollowAll(const Tail& tail, int64_t now_ms) {
  for (const FollowFormat format :
       {FollowFormat::kText, FollowFormat::kJson, FollowFormat::kEventStream}) {
    Following following(tail, *ParseQuery("follow&since=0"), format, now_ms);
    std::string told;
    while (following.Next(now_ms, &told)) {
    }
    if (format == FollowFormat::kText) {
      REQUIRE(IsPlainText(told));
    }
    if (format == FollowFormat::kJson) {
      for (const absl::string_view line :
           absl::StrSplit(told, '\n', absl::SkipEmpty())) {
        REQUIRE(JsonReader::Read(std::string(line)).has_value());
      }
    }
  }
}

inline void ReadAll(const Store& store, int64_t now_ms,
                    Window window = Window::kWeek) {
  Report report;
  Copy(store, now_ms, &report.snapshot, window != Window::kHour);
  Advise(&report, {.window = window});
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_FUZZ_READ_ALL_H_
