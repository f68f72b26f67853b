#include "upstream_502/store/history.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr int64_t kWidth = 1000;
constexpr int64_t kStart = 4000 * kWidth;
constexpr size_t kSpans = 6;

class HistoryTest : public testing::Test {
 protected:
  void Count(int64_t span, uint32_t count) {
    OpenSpan(&running_, &ring_, kWidth, kStart + span * kWidth,
             [this] { return Totals32<1>{total_}; });
    total_ += count;
  }
  std::vector<uint64_t> Read(int64_t span) const {
    const auto counts =
        Differences(running_, ring_, kWidth, kStart + span * kWidth, {total_});
    return {counts[0].begin(), counts[0].end()};
  }

  Time running_{0};
  SpanTotals<kSpans, 1> ring_;
  uint32_t total_ = 0;
};

using Counts = std::vector<uint64_t>;

TEST_F(HistoryTest, IsEmptyAtFirst) { EXPECT_EQ(Read(0), Counts(kSpans, 0)); }

TEST_F(HistoryTest, TellsSpansApart) {
  for (int span = 0; span < 9; ++span) {
    Count(span, static_cast<uint32_t>(span) + 1);
  }
  EXPECT_EQ(Read(8), (Counts{4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(Read(10), (Counts{6, 7, 8, 9, 0, 0}));
  EXPECT_EQ(Read(20), Counts(kSpans, 0));
}

TEST_F(HistoryTest, SpansWithoutCountsAreEmpty) {
  Count(0, 5);
  Count(3, 7);
  EXPECT_EQ(Read(4), (Counts{0, 5, 0, 0, 7, 0}));
  Count(100, 1);
  EXPECT_EQ(Read(100), (Counts{0, 0, 0, 0, 0, 1}));
}

TEST_F(HistoryTest, GoesOnBeyondTheEndOfItsNumbers) {
  total_ = UINT32_MAX - 1;
  Count(0, 0);
  Count(1, 5);
  Count(2, 7);
  EXPECT_EQ(Read(2)[4], 5U);
  EXPECT_EQ(Read(2)[5], 7U);
}

TEST_F(HistoryTest, NothingLiesAheadOfAClockThatWasSetBack) {
  constexpr int64_t kFar = kClocksDifferMs / kWidth + 10;
  Count(kFar - 2, 1);
  Count(kFar - 1, 2);
  Count(kFar, 4);
  Count(0, 8);
  EXPECT_EQ(Read(0), (Counts{0, 0, 0, 0, 0, 8}));
  EXPECT_EQ(Read(kFar), Counts(kSpans, 0));
}

TEST_F(HistoryTest, KeepsWhatWasBeforeTheClockWasSetBack) {
  const auto ring = std::make_unique<SpanTotals<100, 1>>();
  Time running{0};
  uint32_t total = 0;
  const auto count = [&](int64_t minute, uint32_t more) {
    OpenSpan(&running, ring.get(), kMinuteMs, (5000 + minute) * kMinuteMs,
             [&total] { return Totals32<1>{total}; });
    total += more;
  };
  count(0, 1);
  count(1, 2);
  count(5, 4);
  count(2, 8);
  count(3, 16);
  const auto counts =
      Differences(running, *ring, kMinuteMs, 5003 * kMinuteMs, {total});
  EXPECT_EQ(counts[0][96], 1U);
  EXPECT_EQ(counts[0][97], 2U);
  EXPECT_EQ(counts[0][98], 8U);
  EXPECT_EQ(counts[0][99], 16U);
}

TEST_F(HistoryTest, CrowdsNothingIntoTheMinuteTheClockIsSetBackTo) {
  SpanTotals<kHistoryMinutes, 1> ring;
  Time running{0};
  uint32_t total = 0;
  const auto count = [&](int64_t minute) {
    OpenSpan(&running, &ring, kMinuteMs, (5000 + minute) * kMinuteMs,
             [&total] { return Totals32<1>{total}; });
    ++total;
  };
  for (const int64_t back : {20, 41, 59, 60, 61, 1440}) {
    for (int64_t minute = 0; minute <= back; ++minute) {
      count(minute);
    }
    count(0);
    const auto counts =
        Differences(running, ring, kMinuteMs, 5000 * kMinuteMs, {total});
    for (const uint64_t each : counts[0]) {
      EXPECT_LE(each, 2U) << back;
    }
    EXPECT_GE(counts[0].back(), 1U) << back;
    running = 0;
    for (auto& slot : ring.at) {
      slot[0] = 0;
    }
    total = 0;
  }
}

TEST_F(HistoryTest, AnHourThatHadJustBegunIsPartOfTheOneBefore) {
  SpanTotals<24, 1> ring;
  Time running{0};
  uint32_t total = 0;
  const auto count = [&](int64_t minute, uint32_t more) {
    OpenSpan(&running, &ring, kHourMs, 5000 * kHourMs + minute * kMinuteMs,
             [&total] { return Totals32<1>{total}; });
    total += more;
  };
  count(-60, 1);
  count(10, 2);
  count(65, 4);
  count(55, 8);
  const auto counts =
      Differences(running, ring, kHourMs, 5000 * kHourMs, {total});
  EXPECT_EQ(counts[0][22], 1U);
  EXPECT_EQ(counts[0][23], 14U);
}

TEST_F(HistoryTest, ASpanThatWasBegunByAKilledProcessIsBegunAgain) {
  Count(0, 5);
  NoteTotals(running_, running_.load(), kStart / kWidth + 1, Totals32<1>{3},
             &ring_);
  Count(1, 7);
  EXPECT_EQ(Read(1), (Counts{0, 0, 0, 0, 5, 7}));
}

TEST_F(HistoryTest, WhoComesLateChangesNothing) {
  Count(0, 5);
  const int64_t seen = running_.load();
  Count(1, 7);
  NoteTotals(running_, seen, kStart / kWidth + 1, Totals32<1>{total_}, &ring_);
  EXPECT_EQ(Read(1), (Counts{0, 0, 0, 0, 5, 7}));
}

}  // namespace
}  // namespace upstream_502
