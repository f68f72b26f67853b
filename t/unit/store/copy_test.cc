#include "upstream_502/store/copy.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "store/copies.h"

namespace upstream_502 {
namespace {

TEST_F(CopyTest, ShowsAnUpstreamBeforeItsFirstRequestAsUnseen) {
  EXPECT_FALSE(TakeUpstream(kNow).seen);
  Request(kNow);
  EXPECT_TRUE(TakeUpstream(kNow).seen);
}

TEST_F(CopyTest, SaysSinceWhenItCounts) {
  store_.NoteLoad(kNow + 1);
  store_.NoteLoad(kNow + 2);
  const ServerInfo server = Take(kNow + 3).server;
  EXPECT_EQ(server.start_time, kNow);
  EXPECT_EQ(server.load_time, kNow + 2);
  EXPECT_EQ(server.generation, 2U);
  EXPECT_EQ(server.time, kNow + 3);
}

TEST_F(CopyTest, TellsNothingOfAFutureThatTheClockWasSetBackFrom) {
  const int64_t ahead = kNow + 24 * kHourMs;
  store_.NoteLoad(ahead);
  Fail(ahead);
  store_.AddAttempt(peer_, 0, ahead, true);
  store_.WriteEvent(store_.ReserveEvents(1), {.time_ms = ahead}, {});
  Snapshot snapshot = Take(kNow);
  EXPECT_EQ(snapshot.server.load_time, kNow);
  EXPECT_EQ(snapshot.events[0].failure.time_ms, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].first_failure, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_failure, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_success, 0);
  Fail(kNow);
  store_.AddAttempt(peer_, 1, kNow, true);
  snapshot = Take(kNow + 1000);
  EXPECT_EQ(snapshot.server.load_time, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].first_failure, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_failure, kNow);
  EXPECT_EQ(snapshot.upstreams[0].peers[0].last_success, kNow);
}

TEST_F(CopyTest, SumsCausesToFailures) {
  Fail(kNow, Cause::kReadTimeout);
  Fail(kNow, Cause::kReadTimeout);
  Fail(kNow, Cause::kConnectionRefused);
  store_.AddFailedAttempt(upstream_, kNoPeer, 0, kNow,
                          {.cause = Cause::kNoLiveUpstreams});
  const Snapshot snapshot = Take(kNow);
  const UpstreamStats& stats = snapshot.upstreams[0];
  EXPECT_EQ(stats.failures, 4U);
  EXPECT_EQ(stats.causes[static_cast<size_t>(Cause::kReadTimeout)], 2U);
  EXPECT_EQ(stats.causes[static_cast<size_t>(Cause::kNoLiveUpstreams)], 1U);
  EXPECT_EQ(stats.peers[0].failures, 3U);
  EXPECT_EQ(snapshot.totals.failures, 4U);
  EXPECT_EQ(snapshot.totals.causes, stats.causes);
  EXPECT_EQ(stats.errno_classes[static_cast<size_t>(ErrnoClass::kNone)], 4U);
}

TEST_F(CopyTest, SumsShardsOfAllWorkers) {
  for (uint32_t worker = 0; worker < 100; ++worker) {
    store_.AddRequest(upstream_, worker, kNow, 2);
    store_.AddAttempt(peer_, worker, kNow, worker == 7);
  }
  const UpstreamStats stats = TakeUpstream(kNow);
  EXPECT_EQ(stats.requests, 100U);
  EXPECT_EQ(stats.attempts, 200U);
  EXPECT_EQ(stats.peers[0].attempts, 100U);
  EXPECT_EQ(stats.peers[0].last_success, kNow);
}

TEST_F(CopyTest, CountsAFailedAttemptAsOneOfItsPeer) {
  const Failure failure = {.cause = Cause::kReadTimeout,
                           .errno_class = ErrnoClass::kTimedOut,
                           .response_time = 60000};
  for (uint32_t worker = 0; worker < 10; ++worker) {
    store_.AddFailedAttempt(upstream_, peer_, worker, kNow, failure);
  }
  store_.AddFailedAttempt(upstream_, kNoPeer, 0, kNow, failure);
  const UpstreamStats stats = TakeUpstream(kNow);
  EXPECT_EQ(stats.failures, 11U);
  EXPECT_EQ(stats.attempts, 0U);  // AddRequest counts those
  EXPECT_EQ(stats.errno_classes[static_cast<size_t>(ErrnoClass::kTimedOut)],
            11U);
  EXPECT_EQ(stats.peers[0].failures, 10U);
  EXPECT_EQ(stats.peers[0].attempts, 10U);
  EXPECT_EQ(stats.peers[0].last_failure, kNow);
  EXPECT_EQ(stats.peers[0].last_cause, Cause::kReadTimeout);
  EXPECT_EQ(stats.peers[0].last_success, 0);
}

TEST_F(CopyTest, CountsResponsesByCodeAndOrigin) {
  store_.AddResponse(upstream_, 502, Origin::kUpstream, kNow);
  store_.AddResponse(upstream_, 504, Origin::kNginx, kNow);
  store_.AddResponse(upstream_, 500, Origin::kNginx, kNow);
  store_.AddResponse(upstream_, 503, Origin::kNginx, kNow);
  store_.AddResponse(kNoUpstream, 502, Origin::kConfig, kNow);
  store_.AddRescued(upstream_);
  const Snapshot snapshot = Take(kNow);
  EXPECT_EQ(SumResponses(snapshot.totals.responses), 4U);
  EXPECT_EQ(ResponsesWithCode(snapshot.totals.responses, 502), 2U);
  EXPECT_EQ(ResponsesWithOrigin(snapshot.totals.responses, Origin::kNginx), 2U);
  EXPECT_EQ(snapshot.totals.rescued, 1U);
  ASSERT_EQ(snapshot.upstreams.size(), 2U);
  EXPECT_EQ(snapshot.upstreams[0].name, "(none)");
  EXPECT_EQ(SumResponses(snapshot.upstreams[1].responses), 3U);
  EXPECT_EQ(snapshot.upstreams[1].history.buckets[kLast].responses_502, 1U);
}

TEST_F(CopyTest, SortsTimesToFailureIntoBuckets) {
  for (int32_t ms : {0, 1, 2, 100, 120000, 120001, -1}) {
    store_.AddFailedAttempt(
        upstream_, peer_, 0, kNow,
        {.cause = Cause::kReadTimeout, .response_time = ms});
  }
  const Snapshot snapshot = Take(kNow);
  const Histogram& histogram = snapshot.upstreams[0].time_to_failure;
  EXPECT_EQ(histogram.count, 6U);
  EXPECT_EQ(histogram.sum, 240104U);
  EXPECT_EQ(histogram.counts[0], 2U);
  EXPECT_EQ(histogram.counts[1], 1U);
  EXPECT_EQ(histogram.counts[4], 1U);
  EXPECT_EQ(histogram.counts[kTimeBuckets - 1], 1U);
  EXPECT_EQ(histogram.counts[kTimeBuckets], 1U);
  const auto cause = static_cast<size_t>(Cause::kReadTimeout);
  EXPECT_EQ(snapshot.totals.time_to_failure[cause].counts, histogram.counts);
  EXPECT_EQ(snapshot.totals.time_to_failure[cause].sum, histogram.sum);
}

TEST_F(CopyTest, RemembersFirstAndLastFailureOfAPeer) {
  Fail(kNow + 5, Cause::kReadTimeout);
  Fail(kNow + 9, Cause::kSendReset);
  const PeerStats peer = TakeUpstream(kNow + 10).peers[0];
  EXPECT_EQ(peer.first_failure, kNow + 5);
  EXPECT_EQ(peer.last_failure, kNow + 9);
  EXPECT_EQ(peer.last_cause, Cause::kSendReset);
}

TEST_F(CopyTest, ListsUpstreamsAndPeersByName) {
  for (const char* name : {"zoo", "app", "(other) app"}) {
    const uint32_t row = store_.FindOrAddUpstream(name, Protocol::kHttp);
    store_.FindOrAddPeer(row, "10.0.0.2:80");
    store_.FindOrAddPeer(row, "10.0.0.1:80");
  }
  const Snapshot snapshot = Take(kNow);
  ASSERT_EQ(snapshot.upstreams.size(), 4U);
  EXPECT_EQ(snapshot.upstreams[0].name, "(other) app");
  EXPECT_EQ(snapshot.upstreams[1].name, "app");
  EXPECT_EQ(snapshot.upstreams[2].name, "backend");
  EXPECT_EQ(snapshot.upstreams[3].name, "zoo");
  EXPECT_EQ(snapshot.upstreams[1].peers[0].addr, "10.0.0.1:80");
  EXPECT_EQ(snapshot.upstreams[1].peers[1].addr, "10.0.0.2:80");
}

TEST_F(CopyTest, KeepsEveryProtocol) {
  for (size_t i = 0; i < kProtocolCount; ++i) {
    const auto protocol = static_cast<Protocol>(i);
    store_.FindOrAddUpstream(absl::StrCat("p", 10 + i), protocol);
    store_.WriteEvent(store_.ReserveEvents(1), {.protocol = protocol}, {});
  }
  const Snapshot snapshot = Take(kNow);
  ASSERT_EQ(snapshot.upstreams.size(), kProtocolCount + 1);
  ASSERT_EQ(snapshot.events.size(), kProtocolCount);
  for (size_t i = 0; i < kProtocolCount; ++i) {
    const auto protocol = static_cast<Protocol>(i);
    EXPECT_EQ(snapshot.upstreams[i + 1].protocol, protocol) << i;
    EXPECT_EQ(snapshot.events[kProtocolCount - 1 - i].failure.protocol,
              protocol)
        << i;
  }
}

TEST_F(CopyTest, CountsFindingsOfEachUpstreamAndOfAll) {
  const auto count = [](const FindingCounts& counts, Finding finding) {
    return counts[static_cast<size_t>(finding)];
  };
  const uint32_t other = store_.FindOrAddUpstream("other", Protocol::kHttp);
  const auto fail = [this](uint32_t upstream,
                           absl::Span<const Finding> findings) {
    store_.AddFailedAttempt(upstream, kNoPeer, 0, kNow, {}, findings);
  };
  fail(upstream_, {Finding::kPortClosed, Finding::kSentAgain});
  fail(upstream_, {Finding::kPortClosed});
  fail(upstream_, {});
  fail(other, {Finding::kPortClosed, Finding::kOnlyLarge});
  const Snapshot snapshot = Take(kNow);
  const UpstreamStats& stats = snapshot.upstreams.at(0);
  EXPECT_EQ(count(stats.findings, Finding::kPortClosed), 2U);
  EXPECT_EQ(count(stats.findings, Finding::kSentAgain), 1U);
  EXPECT_EQ(count(stats.findings, Finding::kOnlyLarge), 0U);
  EXPECT_EQ(stats.failures, 3U);
  EXPECT_EQ(count(snapshot.upstreams.at(1).findings, Finding::kOnlyLarge), 1U);
  EXPECT_EQ(count(snapshot.totals.findings, Finding::kPortClosed), 3U);
  store_.Reset(kNow);
  EXPECT_EQ(TakeUpstream(kNow).findings, FindingCounts{});
  EXPECT_EQ(Take(kNow).totals.findings, FindingCounts{});
}

TEST_F(CopyTest, CountsGrpcStatusesOfEachUpstream) {
  const uint32_t other = store_.FindOrAddUpstream("other", Protocol::kGrpc);
  store_.AddGrpcStatus(upstream_, 1);
  store_.AddGrpcStatus(upstream_, 14);
  store_.AddGrpcStatus(upstream_, 14);
  store_.AddGrpcStatus(other, kGrpcStatusCount);
  const Snapshot snapshot = Take(kNow);
  GrpcCounts want{};
  want[0] = 1;
  want[13] = 2;
  EXPECT_EQ(snapshot.upstreams.at(0).grpc_statuses, want);
  EXPECT_EQ(snapshot.upstreams.at(0).failures, 0U);
  EXPECT_EQ(snapshot.upstreams.at(1).grpc_statuses.back(), 1U);
  store_.Reset(kNow);
  EXPECT_EQ(TakeUpstream(kNow).grpc_statuses, GrpcCounts{});
}

TEST_F(CopyTest, KeepsTheEvidenceOfEvents) {
  Evidence evidence;
  evidence.idle_ms = 1500;
  store_.WriteEvent(store_.ReserveEvents(1), {}, {.uri = "/asked"}, {},
                    &evidence);
  store_.WriteEvent(store_.ReserveEvents(1), {}, {.uri = "/not"});
  const Snapshot snapshot = Take(kNow);
  EXPECT_FALSE(snapshot.events.at(0).evidence.has_value());
  ASSERT_TRUE(snapshot.events.at(1).evidence.has_value());
  EXPECT_EQ(snapshot.events.at(1).evidence->idle_ms, 1500);
  EXPECT_EQ(snapshot.events.at(1).uri, "/asked");
}

TEST_F(CopyTest, LeavesOutRowsThatAreStillBeingMade) {
  Header& header = *store_.arena().header;
  ++header.upstreams;  // junk up to the moment its index names it
  ++header.peers;
  const Snapshot snapshot = Take(kNow);
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  EXPECT_EQ(snapshot.upstreams[0].peers.size(), 1U);
}

TEST_F(CopyTest, ListsEventsNewestFirstAndEachOnce) {
  for (int i = 0; i < 100; ++i) {
    Write(Cause::kReadTimeout);
  }
  const Snapshot snapshot = Take(kNow);
  ASSERT_EQ(snapshot.events.size(), 64U);
  for (size_t i = 0; i < snapshot.events.size(); ++i) {
    EXPECT_EQ(snapshot.events[i].id, 100 - i);
  }
  EXPECT_EQ(snapshot.zone.events, 64U);
  EXPECT_EQ(snapshot.zone.events_max, 64U);
  EXPECT_EQ(snapshot.zone.events_total, 100U);
}

TEST_F(CopyTest, KeepsRareEventsWhenAnotherCauseFloods) {
  std::vector<uint64_t> rare;
  for (size_t i = 0; i < kRareEvents; ++i) {
    rare.push_back(Write(Cause::kTlsCertificateInvalid));
    for (size_t other = 1; other < kRareEvents; ++other) {
      Write(Cause::kReadTimeout);
    }
  }
  for (int i = 0; i < 1000; ++i) {
    Write(Cause::kConnectionRefused);
  }
  std::vector<uint64_t> kept;
  for (const Event& event : Take(kNow).events) {
    if (event.failure.cause == Cause::kTlsCertificateInvalid) {
      kept.push_back(event.id);
    }
  }
  std::reverse(kept.begin(), kept.end());
  EXPECT_EQ(kept, rare);
}

TEST_F(CopyTest, AcceptsAnEventThatTheRingHasOvertaken) {
  const uint64_t late = store_.ReserveEvents(1);
  for (int i = 0; i < 64; ++i) {
    Write(Cause::kReadTimeout);
  }
  store_.WriteEvent(late, {.cause = Cause::kReadTimeout}, {});
  const List<Event> events = Take(kNow).events;
  ASSERT_GE(events.size(), 64U);
  EXPECT_EQ(events[0].id, 65U);
  EXPECT_EQ(events[63].id, 2U);
}

TEST_F(CopyTest, SkipsIdsThatWereNeverWritten) {
  Write(Cause::kReadTimeout);
  store_.ReserveEvents(1);
  Write(Cause::kReadTimeout);
  const List<Event> events = Take(kNow).events;
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].id, 3U);
  EXPECT_EQ(events[1].id, 1U);
}

TEST_F(CopyTest, GivesTheSameInManySteps) {
  for (int i = 0; i < 30; ++i) {
    const uint32_t upstream =
        store_.FindOrAddUpstream(absl::StrCat("u", i), Protocol::kHttp);
    const uint32_t peer = store_.FindOrAddPeer(upstream, "127.0.0.1:81");
    store_.AddRequest(upstream, 0, kNow, 1);
    store_.AddAttempt(peer, 0, kNow, true);
    Write(Cause::kReadTimeout);
  }
  const Snapshot whole = Take(kNow);
  Snapshot pieced;
  Copier copier(store_, kNow, &pieced);
  int steps = 1;
  while (copier.Next(1)) {
    ++steps;
  }
  // Rows, with those of (other) and (none), events, and looking for them.
  EXPECT_GT(steps, 33 + 30);
  EXPECT_EQ(pieced.totals.requests, 30U);
  EXPECT_EQ(pieced.zone.events, 30U);
  ASSERT_EQ(pieced.upstreams.size(), whole.upstreams.size());
  ASSERT_EQ(pieced.events.size(), whole.events.size());
  for (size_t i = 0; i < whole.upstreams.size(); ++i) {
    EXPECT_EQ(pieced.upstreams[i].name, whole.upstreams[i].name);
    EXPECT_EQ(pieced.upstreams[i].attempts, whole.upstreams[i].attempts);
    EXPECT_EQ(pieced.upstreams[i].peers.size(),
              whole.upstreams[i].peers.size());
  }
  for (size_t i = 0; i < whole.events.size(); ++i) {
    EXPECT_EQ(pieced.events[i].id, whole.events[i].id);
  }
}

}  // namespace
}  // namespace upstream_502
