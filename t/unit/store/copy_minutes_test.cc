// Minutes of history, whatever the clock does.

#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "store/copies.h"

namespace upstream_502 {
namespace {

TEST_F(CopyTest, TellsMinutesApart) {
  for (int minute = 0; minute < 3; ++minute) {
    Request(kNow + minute * kMinuteMs, minute + 1);
    Request(kNow + minute * kMinuteMs + kMinuteMs - 1, 10);
    Fail(kNow + minute * kMinuteMs);
  }
  const Snapshot snapshot = Take(kNow + 3 * kMinuteMs - 1);
  const UpstreamStats& stats = snapshot.upstreams[0];
  EXPECT_EQ(stats.history.start,
            kNow + 2 * kMinuteMs - static_cast<int64_t>(kLast) * kMinuteMs);
  EXPECT_EQ(stats.history.buckets[kLast - 2].requests, 11U);
  EXPECT_EQ(stats.history.buckets[kLast - 1].requests, 12U);
  EXPECT_EQ(stats.history.buckets[kLast].requests, 13U);
  EXPECT_EQ(stats.history.buckets[kLast].failures, 1U);
  EXPECT_EQ(Sum(Requests(stats)), 36U);
  const PeerStats& peer = stats.peers[0];
  EXPECT_EQ(peer.recent.buckets[kPeerMinutes - 1].attempts, 14U);
  EXPECT_EQ(peer.recent.buckets[kPeerMinutes - 2].failures, 1U);
  EXPECT_EQ(snapshot.totals.requests_history.start, stats.history.start);
  EXPECT_EQ(snapshot.totals.requests_history.buckets[kLast], 13U);
  const auto& causes = snapshot.totals.causes_history;
  EXPECT_EQ(causes[static_cast<size_t>(Cause::kReadTimeout)][kLast - 1], 1U);
}

TEST_F(CopyTest, ShowsNothingInMinutesWithoutTraffic) {
  Request(kNow, 5);
  Request(kNow + 4 * kMinuteMs, 7);
  const UpstreamStats stats = TakeUpstream(kNow + 6 * kMinuteMs);
  const std::vector<uint64_t> requests = Requests(stats);
  EXPECT_EQ(std::vector<uint64_t>(requests.end() - 7, requests.end()),
            (std::vector<uint64_t>{5, 0, 0, 0, 7, 0, 0}));
}

TEST_F(CopyTest, ForgetsWhatIsOlderThanAnHour) {
  for (int minute = 0; minute < 200; ++minute) {
    Request(kNow + minute * kMinuteMs, minute % 3 + 1);
  }
  const UpstreamStats stats = TakeUpstream(kNow + 199 * kMinuteMs);
  for (size_t i = 0; i <= kLast; ++i) {
    EXPECT_EQ(stats.history.buckets[i].requests, (200 - 60 + i) % 3 + 1);
  }
  EXPECT_EQ(Sum(Requests(TakeUpstream(kNow + 300 * kMinuteMs))), 0U);
}

TEST_F(CopyTest, IgnoresASmallStepBackOfTheClock) {
  Request(kNow, 1);
  Request(kNow - 1, 2);  // another worker's clock
  Request(kNow - 2 * kMinuteMs, 4);
  EXPECT_EQ(TakeUpstream(kNow).history.buckets[kLast].requests, 7U);
}

TEST_F(CopyTest, FollowsALargeStepBackOfTheClock) {
  for (int minute = 0; minute < 50; ++minute) {
    Request(kNow + minute * kMinuteMs, 10);
  }
  Request(kNow + 20 * kMinuteMs, 3);
  // Minutes that were "in the future" must not come back as history, even
  // where nothing happens this time.
  for (int minute : {20, 21, 30, 49, 80}) {
    const UpstreamStats stats = TakeUpstream(kNow + minute * kMinuteMs);
    const std::vector<uint64_t> requests = Requests(stats);
    EXPECT_LE(Sum(requests), stats.requests);
    for (int back = 0; back < minute - 20; ++back) {
      EXPECT_EQ(requests[kLast - static_cast<size_t>(back)], 0U);
    }
  }
  Request(kNow + 21 * kMinuteMs, 4);
  EXPECT_EQ(TakeUpstream(kNow + 21 * kMinuteMs).history.buckets[kLast].requests,
            4U);
}

TEST_F(CopyTest, FollowsAClockThatIsSetFarAheadAndBack) {
  Request(kNow, 1);
  Fail(kNow);
  Request(kNow * 2, 1);
  Fail(kNow * 2);
  Request(kNow + kMinuteMs, 2);
  Fail(kNow + kMinuteMs);
  const Snapshot snapshot = Take(kNow + kMinuteMs);
  EXPECT_EQ(snapshot.upstreams[0].history.buckets[kLast].requests, 2U);
  EXPECT_EQ(snapshot.upstreams[0].history.buckets[kLast].failures, 1U);
  const auto cause = static_cast<size_t>(Cause::kReadTimeout);
  EXPECT_EQ(snapshot.totals.causes_history[cause][kLast], 1U);
}

TEST_F(CopyTest, NeverShowsAMinuteThatRanBackwards) {
  Request(kNow, 5);
  // As a reset that raced with the opening of a minute leaves it.
  UpstreamRow& row = store_.arena().upstreams[upstream_];
  for (auto& minute : row.minutes.at) {
    minute[0] = 1000;
  }
  row.recent = kNow;
  for (auto& recent : row.recents.at) {
    recent[3] = 1000;
  }
  const UpstreamStats stats = TakeUpstream(kNow);
  EXPECT_EQ(Sum(Requests(stats)), 0U);
  EXPECT_EQ(stats.recent_causes[3], 0U);
}

TEST_F(CopyTest, SumsRecentCausesOverTheLastMinutes) {
  const auto recent = [this](int64_t now) {
    return TakeUpstream(now)
        .recent_causes[static_cast<size_t>(Cause::kReadTimeout)];
  };
  EXPECT_EQ(recent(kNow), 0U);
  Fail(kNow);
  Fail(kNow + 3 * kMinuteMs);
  EXPECT_EQ(recent(kNow + 3 * kMinuteMs), 2U);
  EXPECT_EQ(recent(kNow + 7 * kMinuteMs), 2U);
  EXPECT_EQ(recent(kNow + 8 * kMinuteMs), 1U);
  EXPECT_EQ(recent(kNow + 10 * kMinuteMs), 0U);
  EXPECT_EQ(TakeUpstream(kNow + 10 * kMinuteMs).failures, 2U);
}

}  // namespace
}  // namespace upstream_502
