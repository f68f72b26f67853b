#include "upstream_502/store/incident.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Incident, CoversWhatFailedBetweenItsEnds) {
  Incident incident;
  incident.start = 1000;
  incident.end = 2000;
  EXPECT_FALSE(Covers(incident, 999));
  EXPECT_TRUE(Covers(incident, 1000));
  EXPECT_TRUE(Covers(incident, 2000));
  EXPECT_FALSE(Covers(incident, 2001));
}

TEST(Incident, TimeLineHasSpansThatGrow) {
  for (size_t i = 2; i < kIncidentSpans; ++i) {
    EXPECT_GE(kIncidentSpanStarts[i] - kIncidentSpanStarts[i - 1],
              kIncidentSpanStarts[i - 1] - kIncidentSpanStarts[i - 2])
        << i;
  }
  EXPECT_EQ(kIncidentSpanStarts[0], 0U);
  EXPECT_EQ(kIncidentSpanStarts[20], 20U);
}

}  // namespace
}  // namespace upstream_502
