// What diagnoses lead with: findings of single failures, and of many together.

#include "upstream_502/advice/gather.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::string_view kClosed =
    "nothing listens on port 9000 of this machine; 127.0.0.1:3000 is listened "
    "on";

// One for each way in which the tests' failures were not repeated, so that a
// scene chooses its findings.
std::vector<Found> FindingsHere(const Event& event) {
  if (!event.evidence) {
    return {};
  }
  switch (event.failure.cause) {
    case Cause::kConnectionRefused:
      return event.evidence->listening == Seen::kYes
                 ? std::vector<Found>{{Finding::kRejected, "a rule refuses"}}
                 : std::vector<Found>{
                       {Finding::kPortClosed, std::string(kClosed)},
                       {Finding::kNotRetried, "there is one server only"}};
    case Cause::kKeepaliveRace:
      return {{Finding::kIdleClosed, "idle"}};
    case Cause::kReadTimeout:
      return {{Finding::kNotRetried, "there is one server only"}};
    default:
      return {};
  }
}

Failed Seen1(Failed failed) {
  failed.evidence.emplace();
  return failed;
}

TEST(Gather, LeadsWithTheFindingAndHowManyItHoldsFor) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(12, Seen1(Refused()));
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_EQ(d.summary,
            absl::StrCat(kClosed,
                         " (12 of 12); all 12 attempts of the last 1 "
                         "second failed: connection refused"));
  ASSERT_EQ(d.findings.size(), 2u);
  EXPECT_EQ(d.findings[0].finding, Finding::kPortClosed);
  EXPECT_EQ(d.findings[0].text, kClosed);
  EXPECT_EQ(d.findings[0].count, 12u);
  EXPECT_EQ(d.findings[1].finding, Finding::kNotRetried);
  EXPECT_THAT(d.checks[0], HasSubstr("ss -Hltnp 'sport = :9000' || "));
}

// It is known a moment later than what failed first.
TEST(Gather, LeadsWithANameThatHasMoved) {
  const auto moved = [](const Event& event) -> std::vector<Found> {
    if (event.evidence->listening == Seen::kNo) {
      return {{Finding::kPortClosed, "closed"}};
    }
    return {{Finding::kNameMoved, "moved"}, {Finding::kPortClosed, "closed"}};
  };
  Failed first = Seen1(Refused());
  first.evidence->listening = Seen::kNo;
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(3, first);
  scene.At(2 * kMinute).Bad(1, Seen1(Refused()));
  EXPECT_THAT(std::string(scene.One(moved).summary),
              StartsWith("moved (1 of 4)"));
  // It is where it was again.
  scene.At(3 * kMinute).Bad(1, first);
  EXPECT_THAT(std::string(scene.One(moved).summary),
              StartsWith("closed (5 of 5)"));
}

// The old address works: its name is one address after the other.
TEST(Gather, NameHasNotMovedWhileItsOldAddressAnswers) {
  const auto moved = [](const Event&) -> std::vector<Found> {
    return {{Finding::kNameMoved, "moved"}, {Finding::kPortClosed, "closed"}};
  };
  Failed failed = Seen1(Refused());
  SetMoved("cdn.example", "127.0.0.1", "127.0.0.3", &*failed.evidence);
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(5).At(kMinute + kSecond).Bad(3, failed);
  EXPECT_THAT(std::string(scene.One(moved).summary), StartsWith("moved (3"));
  scene.At(2 * kMinute).Good(5).At(3 * kMinute).Bad(3, failed);
  const Diagnosis d = scene.One(moved);
  EXPECT_THAT(std::string(d.summary), StartsWith("closed (6 of 6)"));
  EXPECT_EQ(d.findings.size(), 1u);
}

// It hung, and then it was gone.
TEST(Gather, LeadsWithTheServiceThatIsGoneByNow) {
  const auto findings = [](const Event& event) -> std::vector<Found> {
    return event.failure.cause == Cause::kReadTimeout
               ? std::vector<Found>{{Finding::kNoAnswer, "no answer"}}
               : std::vector<Found>{{Finding::kPortClosed, "closed"}};
  };
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(12, Seen1(Because(Cause::kReadTimeout)));
  scene.At(2 * kMinute).Bad(1, Seen1(Refused()));
  EXPECT_THAT(std::string(scene.One(findings).summary),
              StartsWith("no answer"));
  scene.At(2 * kMinute + kSecond).Bad(1, Seen1(Refused()));
  EXPECT_THAT(std::string(scene.One(findings).summary), StartsWith("closed"));
  scene.At(3 * kMinute).Bad(1, Seen1(Because(Cause::kReadTimeout)));
  EXPECT_THAT(std::string(scene.One(findings).summary),
              StartsWith("no answer"));
}

// Why nginx asked no other server is known of each failure, asked about or not.
TEST(Gather, DoesNotCountConsequencesAsAskedAbout) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(3, Refused()).Bad(1, Seen1(Refused()));
  const auto findings = [](const Event& event) {
    return event.evidence ? FindingsHere(event)
                          : std::vector<Found>{{Finding::kNotRetried, "one"}};
  };
  EXPECT_THAT(scene.One(findings).summary, HasSubstr("(1 of 1); all 4"));
}

// Not all failures are asked about.
TEST(Gather, CountsThoseThatWereAskedAbout) {
  Scene scene("app", Protocol::kHttp);
  Failed rejected = Seen1(Refused());
  rejected.evidence->listening = Seen::kYes;
  scene.At(kMinute).Bad(20, Refused()).Bad(6, Seen1(Refused()));
  scene.Bad(2, rejected);
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(d.summary, HasSubstr("(6 of 8); all 28 attempts"));
  ASSERT_EQ(d.findings.size(), 3u);
  EXPECT_EQ(d.findings[1].finding, Finding::kRejected);
  EXPECT_EQ(d.findings[1].count, 2u);
}

TEST(Gather, SaysOfWhichServerItSpeaks) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(6, Seen1(Refused()));
  scene.Bad(4, Seen1(Refused("127.0.0.1:9001")));
  scene.Bad(2, Seen1(Refused("127.0.0.1:9002")));
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(d.summary, HasSubstr("(6 of 12, likewise 2 other servers)"));
  EXPECT_THAT(d.checks[0], HasSubstr(":9000'"));
}

TEST(Gather, LeadsWithNoConsequence) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(12, Seen1(Because(Cause::kReadTimeout)));
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(std::string(d.summary), StartsWith("All 12 attempts"));
  EXPECT_EQ(d.findings.size(), 1u);
  EXPECT_THAT(d.hint, HasSubstr("no answer came"));
}

TEST(Gather, TellsWhatIsOverAsSuch) {
  Scene scene("app", Protocol::kHttp);
  scene.At(10 * kMinute).Bad(20, Seen1(Refused()));
  scene.At(11 * kMinute).Good(20);
  scene.At(13 * kMinute).Good(20);
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(std::string(d.summary), StartsWith("Recovered: "));
  EXPECT_THAT(d.summary, HasSubstr("; it was: nothing listens"));
}

TEST(Gather, SaysNothingWhereNothingWasSeen) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(12, Refused());
  EXPECT_THAT(scene.One(FindingsHere).findings, IsEmpty());
}

TEST(Gather, OffersAKeepaliveTimeoutBelowTheLeastIdleTime) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50);
  for (const int32_t idle : {7000, 5003, 9000}) {
    Failed failed = Seen1(Because(Cause::kKeepaliveRace));
    failed.evidence->idle_ms = idle;
    scene.Bad(1, failed);
  }
  const Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(d.summary, HasSubstr("idle for 5003ms or more: "
                                   "keepalive_timeout in the upstream block is "
                                   "safe below that, at 4s (3 of 3)"));
  EXPECT_THAT(d.checks[0], HasSubstr("keepalive_timeout 4s;"));
}

TEST(Gather, FindsALimitOfTheOtherSide) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50);
  int64_t at = kMinute;
  for (const int64_t time : {30010, 30002, 30020, 29990, 30005}) {
    Failed failed = Because(Cause::kClosedBeforeResponse);
    failed.response_time = time;
    scene.At(at += 300).Bad(1, failed);
  }
  scene.Good(1);
  Diagnosis d = scene.One(FindingsHere);
  EXPECT_THAT(std::string(d.summary),
              StartsWith("nearly all failed after 30s, which is no "
                         "limit of nginx's"));
  EXPECT_THAT(d.checks[0], HasSubstr("%{time_total}"));
  Failed failed = Because(Cause::kClosedBeforeResponse);
  failed.response_time = 12000;
  scene.Bad(2, failed).Good(1);
  EXPECT_THAT(scene.One(FindingsHere).findings, IsEmpty());
}

TEST(Gather, FindsNoLimitInWhatFailsAtOnceOrByNginxsOwn) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kClosedBeforeResponse);
  failed.response_time = 3;
  scene.At(kMinute).Bad(10, failed);
  EXPECT_THAT(scene.One(FindingsHere).findings, IsEmpty());

  Scene timeouts("app", Protocol::kHttp);
  failed = Because(Cause::kReadTimeout);
  failed.response_time = 60001;
  failed.limit = 60000;
  timeouts.At(kMinute).Bad(10, failed);
  EXPECT_THAT(timeouts.One(FindingsHere).findings, IsEmpty());
}

TEST(Gather, FindsTheOneMethod) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kReadTimeout);
  failed.method = "HEAD";
  scene.At(kMinute).Good(20).Bad(6, failed).Good(1);
  Diagnosis d = scene.One(FindingsHere);
  ASSERT_EQ(d.findings.size(), 1u);
  EXPECT_EQ(d.findings[0].finding, Finding::kOneMethod);
  EXPECT_THAT(d.findings[0].text, HasSubstr("a HEAD request"));
  failed.method = "GET";
  scene.Bad(1, failed).Good(1);
  EXPECT_THAT(scene.One(FindingsHere).findings, IsEmpty());
}

TEST(Gather, FindsOnlyIdleOrOnlyLargeRequests) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Seen1(Because(Cause::kClosedBeforeResponse));
  failed.reused = true;
  failed.evidence->idle_ms = 300000;
  scene.At(kMinute).Good(20).Bad(6, failed).Good(1);
  Diagnosis d = scene.One(FindingsHere);
  ASSERT_EQ(d.findings.size(), 1u);
  EXPECT_EQ(d.findings[0].finding, Finding::kOnlyReused);
  failed.evidence->idle_ms = 20;
  scene.Bad(1, failed).Good(1);
  EXPECT_THAT(scene.One(FindingsHere).findings, IsEmpty());

  Scene large("app", Protocol::kHttp);
  failed = Because(Cause::kSendReset);
  failed.bytes_sent = 1048576;
  large.At(kMinute).Good(20).Bad(6, failed).Good(1);
  d = large.One(FindingsHere);
  ASSERT_EQ(d.findings.size(), 1u);
  EXPECT_EQ(d.findings[0].finding, Finding::kOnlyLarge);
  EXPECT_THAT(d.findings[0].text, HasSubstr("1024 kB"));
}

TEST(Gather, SeesAnErrorThatTheCacheReplays) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kErrorStatus);
  failed.received_status = 502;
  scene.At(kMinute).Good(1).Bad(1, failed).Replayed(12);
  Diagnosis d = scene.One(FindingsHere);
  EXPECT_EQ(d.severity, Severity::kDegraded);
  EXPECT_THAT(std::string(d.summary),
              StartsWith("an error is replayed from nginx's cache: "
                         "12 of 13 responses with 502"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("proxy_cache_valid 200")));
  EXPECT_EQ(d.findings[0].finding, Finding::kFromCache);
  EXPECT_EQ(d.findings[0].count, 12u);

  // The attempt is long ago, the error is not.
  scene.At(20 * kMinute).Replayed(5);
  d = scene.One(FindingsHere);
  EXPECT_EQ(d.severity, Severity::kDegraded);
  EXPECT_EQ(d.cause, Cause::kErrorStatus);
  EXPECT_THAT(d.summary, HasSubstr("; no attempt failed in the last 8 "
                                   "minutes"));
}

TEST(Gather, SeesNoReplayWhereAttemptsAccountForAll) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(20, Refused());
  EXPECT_THAT(scene.One(FindingsHere).findings,
              Not(Contains(testing::Field(&DiagnosisFinding::finding,
                                          Finding::kFromCache))));
}

}  // namespace
}  // namespace upstream_502
