#include "upstream_502/advice/explain.h"

#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

TEST(Explain, TakesWhatTheNewestEventsSay) {
  Snapshot snapshot;
  snapshot.incidents = {Incident(), Incident()};
  snapshot.incidents[0].id = 2;
  snapshot.incidents[1].id = 1;
  snapshot.events = {SampleEvent(12), SampleEvent(11), SampleBareEvent(10)};
  snapshot.events[0].incident = 2;
  snapshot.events[1].incident = 2;
  snapshot.events[2].incident = 1;
  ExplainIncidents(&snapshot);
  const auto& texts = snapshot.incidents[0].texts;
  ASSERT_FALSE(texts.empty());
  EXPECT_EQ(texts[0].finding, Finding::kPortClosed);
  EXPECT_NE(texts[0].text, "");
  for (size_t i = 1; i < texts.size(); ++i) {
    EXPECT_NE(texts[i].finding, texts[0].finding);
  }
  // Of its event nothing was asked.
  EXPECT_TRUE(snapshot.incidents[1].texts.empty());
}

TEST(Explain, EventsOfNoIncidentSayNothing) {
  Snapshot snapshot;
  snapshot.incidents = {Incident()};
  snapshot.incidents[0].id = 1;
  snapshot.events = {SampleEvent(11)};
  ExplainIncidents(&snapshot);
  EXPECT_TRUE(snapshot.incidents[0].texts.empty());
}

}  // namespace
}  // namespace upstream_502
