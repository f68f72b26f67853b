#include "upstream_502/words/format.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(AppendFormat, AppendsWhatFits) {
  std::string out = "a";
  AppendFormat(&out, "%d-%s", 5, "b");
  EXPECT_EQ(out, "a5-b");
  AppendFormat(&out, "%s", "");
  EXPECT_EQ(out, "a5-b");
}

TEST(AppendFormat, CutsAtItsLimit) {
  for (const size_t size : {254U, 255U, 256U, 1000U}) {
    std::string out;
    AppendFormat(&out, "%s", std::string(size, 'x'));
    EXPECT_EQ(out, std::string(std::min<size_t>(size, 255), 'x')) << size;
  }
}

TEST(ConfigSize, IsNginxs) {
  const struct {
    int64_t bytes;
    const char* text;
  } kCases[] = {
      {0, "0"},
      {1, "1"},
      {1023, "1023"},
      {1024, "1k"},
      {4095, "4095"},
      {4096, "4k"},
      {4097, "4097"},
      {1023 * 1024, "1023k"},
      {1 << 20, "1m"},
      {(1 << 20) + 1024, "1025k"},
      {(1 << 20) + 1, "1048577"},
      {int64_t{3} << 30, "3072m"},
      {-1, "-1"},
      {-4096, "-4096"},
      {INT64_MAX, "9223372036854775807"},
      {INT64_MIN, "-9223372036854775808"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ConfigSize(c.bytes), c.text);
  }
}

TEST(ConfigTime, IsNginxs) {
  EXPECT_EQ(ConfigTime(0), "0s");
  EXPECT_EQ(ConfigTime(1), "1ms");
  EXPECT_EQ(ConfigTime(999), "999ms");
  EXPECT_EQ(ConfigTime(1000), "1s");
  EXPECT_EQ(ConfigTime(1500), "1500ms");
  EXPECT_EQ(ConfigTime(60000), "60s");
  EXPECT_EQ(ConfigTime(-1), "-1ms");
  EXPECT_EQ(ConfigTime(INT64_MAX), "9223372036854775807ms");
}

TEST(LogSeconds, AreThoseOfNginxsVariables) {
  EXPECT_EQ(LogSeconds(0), "0.000");
  EXPECT_EQ(LogSeconds(1), "0.001");
  EXPECT_EQ(LogSeconds(1500), "1.500");
  EXPECT_EQ(LogSeconds(60010), "60.010");
  EXPECT_EQ(LogSeconds(INT64_MAX), "9223372036854775.807");
}

TEST(LogSeconds, AreEmptyForNever) {
  EXPECT_EQ(LogSeconds(-1), "");
  EXPECT_EQ(LogSeconds(INT64_MIN), "");
}

TEST(MetricSeconds, AreTheShortestWithAFraction) {
  EXPECT_EQ(MetricSeconds(0), "0.0");
  EXPECT_EQ(MetricSeconds(1), "0.001");
  EXPECT_EQ(MetricSeconds(10), "0.01");
  EXPECT_EQ(MetricSeconds(100), "0.1");
  EXPECT_EQ(MetricSeconds(101), "0.101");
  EXPECT_EQ(MetricSeconds(1500), "1.5");
  EXPECT_EQ(MetricSeconds(2000), "2.0");
  EXPECT_EQ(MetricSeconds(120000), "120.0");
  EXPECT_EQ(MetricSeconds(UINT64_MAX), "18446744073709551.615");
}

TEST(FormatDateTime, IsUtc) {
  EXPECT_EQ(FormatDateTime(0), "1970-01-01 00:00:00");
  EXPECT_EQ(FormatDateTime(999), "1970-01-01 00:00:00");
  EXPECT_EQ(FormatDateTime(1763675011000), "2025-11-20 21:43:31");
  EXPECT_EQ(FormatDateTime(1709251199999), "2024-02-29 23:59:59");
  EXPECT_EQ(FormatDateTime(1709251200000), "2024-03-01 00:00:00");
  EXPECT_EQ(FormatDateTime(253402300799000), "9999-12-31 23:59:59");
}

TEST(FormatDateTime, KnowsNothingBeforeTheEpoch) {
  EXPECT_EQ(FormatDateTime(-1), "1970-01-01 00:00:00");
  EXPECT_EQ(FormatDateTime(INT64_MIN), "1970-01-01 00:00:00");
}

TEST(FormatDuration, HasTheTwoLargestUnits) {
  const struct {
    int64_t ms;
    const char* text;
  } kCases[] = {
      {-1, "0s"},
      {INT64_MIN, "0s"},
      {0, "0s"},
      {999, "0s"},
      {45000, "45s"},
      {59999, "59s"},
      {60000, "1m 0s"},
      {725000, "12m 5s"},
      {3599999, "59m 59s"},
      {3600000, "1h 0m"},
      {12000000, "3h 20m"},
      {86399999, "23h 59m"},
      {86400000, "1d 0h"},
      {187200000, "2d 4h"},
      {INT64_MAX, "106751991167d 7h"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(FormatDuration(c.ms), c.text) << c.ms;
  }
}

TEST(DurationWords, AreOfOneUnit) {
  const struct {
    int64_t ms;
    const char* text;
  } kCases[] = {
      {INT64_MIN, "1 second"}, {-1, "1 second"},
      {0, "1 second"},         {1999, "1 second"},
      {2000, "2 seconds"},     {99999, "99 seconds"},
      {114000, "114 seconds"}, {120000, "2 minutes"},
      {230000, "4 minutes"},   {7199999, "120 minutes"},
      {7200000, "2 hours"},    {INT64_MAX, "2562047788015 hours"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(DurationWords(c.ms), c.text) << c.ms;
  }
}

TEST(FormatPercent, HasOneDecimal) {
  EXPECT_EQ(FormatPercent(1, 8), "12.5%");
  EXPECT_EQ(FormatPercent(1, 3), "33.3%");
  EXPECT_EQ(FormatPercent(2, 3), "66.7%");
  EXPECT_EQ(FormatPercent(1, 1000), "0.1%");
  EXPECT_EQ(FormatPercent(999, 1000), "99.9%");
}

TEST(FormatPercent, RoundsNothingToNoneNorToAll) {
  EXPECT_EQ(FormatPercent(0, 0), "-");
  EXPECT_EQ(FormatPercent(5, 0), "-");
  EXPECT_EQ(FormatPercent(0, 1), "0.0%");
  EXPECT_EQ(FormatPercent(1, 1001), "<0.1%");
  EXPECT_EQ(FormatPercent(1, UINT64_MAX), "<0.1%");
  EXPECT_EQ(FormatPercent(1000, 1001), ">99.9%");
  EXPECT_EQ(FormatPercent(7, 7), "100.0%");
  EXPECT_EQ(FormatPercent(UINT64_MAX, UINT64_MAX), "100.0%");
}

}  // namespace
}  // namespace upstream_502
