#include "upstream_502/store/window.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Window, BoundsGrow) {
  EXPECT_TRUE(std::is_sorted(kTimeBounds.begin(), kTimeBounds.end()));
  EXPECT_EQ(std::adjacent_find(kTimeBounds.begin(), kTimeBounds.end()),
            kTimeBounds.end());
  EXPECT_GT(kTimeBounds.front(), 0U);
}

// Dashboards rely on them: nginx's own timeouts are 60 seconds.
TEST(Window, BoundsHoldNginxsDefaults) {
  EXPECT_EQ(std::count(kTimeBounds.begin(), kTimeBounds.end(), 60000U), 1);
  EXPECT_EQ(kTimeBounds.size(), kTimeBuckets);
}

TEST(Window, PeersAreLookedAtWithinTheHistory) {
  EXPECT_LE(kPeerMinutes, kHistoryMinutes);
  EXPECT_EQ(kMinuteMs * static_cast<int64_t>(kHistoryMinutes), 3600000);
}

}  // namespace
}  // namespace upstream_502
