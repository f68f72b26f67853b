// The counter of processes killed for want of memory, over time.

#include "system/memory.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(OomKill, IsFoundAmongOthers) {
  EXPECT_EQ(ParseOomKill("nr_free_pages 1\noom_kill 7\nnuma_hit 3\n"), 7);
  EXPECT_EQ(ParseOomKill("oom_kill 7"), 7);
  EXPECT_EQ(ParseOomKill("oom_killer 7\nxoom_kill 2\n"), -1);
  EXPECT_EQ(ParseOomKill("oom_kill x\n"), -1);
  EXPECT_EQ(ParseOomKill(""), -1);
  EXPECT_EQ(ParseOomKill("\n\n\n"), -1);
}

TEST(OomWatch, TellsOfKillsForAMinute) {
  OomWatch watch;
  EXPECT_EQ(watch.Take(5, 1000).count, 0);  // those before are no news
  EXPECT_EQ(watch.Take(5, 9000).count, 0);
  OomKills kills = watch.Take(7, 11500);
  EXPECT_EQ(kills.count, 2);
  EXPECT_EQ(kills.seconds, 3);  // since 9000
  kills = watch.Take(7, 13000);
  EXPECT_EQ(kills.count, 2);
  EXPECT_EQ(kills.seconds, 4);
  kills = watch.Take(8, 20000);
  EXPECT_EQ(kills.count, 3);
  EXPECT_EQ(kills.seconds, 11);
  EXPECT_EQ(watch.Take(8, 80001).count, 0);
  kills = watch.Take(9, 81000);
  EXPECT_EQ(kills.count, 1);
  EXPECT_EQ(kills.seconds, 1);
}

TEST(OomWatch, CounterThatCannotBeRead) {
  OomWatch watch;
  EXPECT_EQ(watch.Take(-1, 1000).count, -1);
  EXPECT_EQ(watch.Take(50, 2000).count, 0);
  EXPECT_EQ(watch.Take(-1, 3000).count, -1);
}

TEST(OomWatch, Looks) {
  OomWatch watch;
  const OomKills kills = watch.Look(1000);
  EXPECT_GE(kills.count, -1);
  EXPECT_LE(kills.count, 0);
}

}  // namespace
}  // namespace upstream_502
