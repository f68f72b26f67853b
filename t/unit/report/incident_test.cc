#include "upstream_502/report/incident.h"

#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

TEST(ReportIncident, TimelineEndsWithTheLastFailure) {
  const Incident incident = SampleIncident(1);
  const auto spans = TimelineOf(incident);
  ASSERT_EQ(spans.size(), 6U);
  EXPECT_EQ(spans[0].start, incident.start);
  EXPECT_EQ(spans[0].failures, 30U);
  EXPECT_EQ(spans[5].start, incident.start + 5 * kMinuteMs);
  EXPECT_EQ(spans[5].width_ms, kMinuteMs);
  EXPECT_EQ(spans[5].failures, 10U);
}

TEST(ReportIncident, TheLastSpanIsOpen) {
  Incident incident = SampleIncident(1);
  incident.spans[kIncidentSpans - 1] = 1;
  const auto spans = TimelineOf(incident);
  ASSERT_EQ(spans.size(), kIncidentSpans);
  EXPECT_EQ(spans.back().width_ms, 0);
  for (size_t i = 1; i < spans.size(); ++i) {
    EXPECT_EQ(spans[i - 1].start + spans[i - 1].width_ms, spans[i].start);
  }
}

TEST(ReportIncident, FindingsComeWithWhatTheirEventsSay) {
  const Incident incident = SampleIncident(1);
  const auto found = FoundIn(incident);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].finding, Finding::kPortClosed);
  EXPECT_EQ(found[0].text, "nothing listens on port 9000");
  EXPECT_EQ(found[0].count, 30U);
  EXPECT_EQ(found[1].finding, Finding::kNotRetried);
  EXPECT_EQ(found[1].text, "");
}

TEST(ReportIncident, WhatFollowsFromAFailureDoesNotLead) {
  Incident incident = SampleIncident(1);
  incident.findings[static_cast<size_t>(Finding::kNotRetried)] = 31;
  incident.findings[static_cast<size_t>(Finding::kSentAgain)] = 32;
  const auto found = FoundIn(incident);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].finding, Finding::kPortClosed);
  EXPECT_EQ(found[1].finding, Finding::kSentAgain);
  EXPECT_EQ(found[2].finding, Finding::kNotRetried);
}

TEST(ReportIncident, CausesComeByCount) {
  EXPECT_EQ(
      CausesOf(SampleIncident(1)),
      (std::vector<Cause>{Cause::kConnectionRefused, Cause::kReadTimeout}));
  EXPECT_TRUE(CausesOf(Incident()).empty());
}

}  // namespace
}  // namespace upstream_502
