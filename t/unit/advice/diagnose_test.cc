#include "upstream_502/advice/diagnose.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(Diagnose, SaysNothingWhereNothingFails) {
  Scene scene;
  scene.At(kMinute).Good(100);
  EXPECT_THAT(scene.Diagnose(), IsEmpty());
}

TEST(Diagnose, SaysNothingAboutWhatIsLongPast) {
  Scene scene;
  scene.At(0).Bad(50, Refused());
  scene.At(20 * kMinute).Good(1);
  EXPECT_THAT(scene.Diagnose(), IsEmpty());
}

TEST(Diagnose, CallsAnUpstreamThatOnlyFailsAnOutage) {
  Scene scene;
  scene.At(10 * kMinute).Bad(20, Refused());
  scene.At(12 * kMinute).Bad(20, Refused());
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.upstream, "app");
  EXPECT_EQ(d.severity, Severity::kOutage);
  EXPECT_EQ(d.pattern, Pattern::kOutage);
  EXPECT_EQ(d.cause, Cause::kConnectionRefused);
  EXPECT_DOUBLE_EQ(d.share, 1.0);
  EXPECT_EQ(d.since, kStart + 10 * kMinute);
  EXPECT_THAT(d.peers, ElementsAre("127.0.0.1:9000"));
  EXPECT_EQ(d.summary,
            "All 40 attempts of the last 2 minutes failed: connection refused");
  EXPECT_THAT(d.checks, ElementsAre(HasSubstr("ss -ltnp 'sport = :9000' || "),
                                    "systemctl status 'php*-fpm*'",
                                    HasSubstr("grep -nwF -e 127.0.0.1:9000 ")));
}

TEST(Diagnose, CallsAnOutageOnceNothingWorksAnyMore) {
  Scene scene;
  scene.At(5 * kMinute).Good(1000);
  scene.At(5 * kMinute + 5 * kSecond).Bad(5, Refused());
  EXPECT_EQ(scene.One().severity, Severity::kDegraded);
  scene.At(5 * kMinute + 20 * kSecond).Bad(5, Refused());
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kOutage);
  EXPECT_EQ(d.since, kStart + 5 * kMinute + 5 * kSecond);
  EXPECT_EQ(
      d.summary,
      "All 10 attempts of the last 15 seconds failed: connection refused");
}

TEST(Diagnose, CallsACleanBreakAnOutageWithoutMoreTraffic) {
  Scene scene;
  scene.At(kMinute).Good(4);
  scene.At(kMinute + 2 * kSecond).Bad(4, Refused());
  EXPECT_EQ(scene.One().severity, Severity::kDegraded);
  scene.At(kMinute + 30 * kSecond);
  EXPECT_EQ(scene.One().severity, Severity::kOutage);

  Scene flaky;
  flaky.At(kMinute).Bad(4, Refused()).Good(4);
  flaky.At(kMinute + 2 * kSecond).Bad(4, Refused());
  flaky.At(kMinute + 30 * kSecond);
  EXPECT_EQ(flaky.One().severity, Severity::kDegraded);
}

TEST(Diagnose, SaysWhenTheCauseIsNotTheOnlyOne) {
  Scene scene;
  scene.At(kMinute).Bad(6, Refused()).Bad(4, Because(Cause::kReadTimeout));
  EXPECT_THAT(scene.One().summary, HasSubstr("mostly connection refused"));
}

TEST(Diagnose, CallsNoOutageAfterTwoFailuresInARow) {
  Scene scene;
  scene.At(kMinute).Good(50).Bad(5, Refused()).Good(1);
  scene.At(kMinute + 20 * kSecond).Bad(2, Refused());
  EXPECT_EQ(scene.One().severity, Severity::kDegraded);
}

TEST(Diagnose, NamesNoPeerThatOnlyWorkedLongAgo) {
  Scene scene("app", Protocol::kHttp);
  scene.At(0).Good(50, "10.0.0.1:80");
  scene.At(20 * kMinute).Bad(20, Refused("10.0.0.2:80"));
  EXPECT_THAT(scene.One().peers, ElementsAre("10.0.0.2:80"));
}

TEST(Diagnose, BlamesNobodyOnTooLittleEvidence) {
  Scene scene;
  scene.At(kMinute).Bad(2, Refused());
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kInfo);
  EXPECT_EQ(d.pattern, Pattern::kOutage);
  EXPECT_THAT(d.summary, HasSubstr("2 of 2 attempts failed"));
  EXPECT_THAT(d.summary, HasSubstr("too few to tell a pattern"));
}

TEST(Diagnose, NamesTheOneDeadPeer) {
  Scene scene("app", Protocol::kHttp);
  for (int i = 0; i < 5; ++i) {
    Failed failed = Refused("10.0.0.2:80");
    failed.rescued = true;
    scene.At((2 + i) * kMinute);
    scene.Good(50, "10.0.0.1:80").Bad(2, failed).Good(50, "10.0.0.3:80");
  }
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kDegraded);
  EXPECT_EQ(d.pattern, Pattern::kPartial);
  EXPECT_THAT(d.peers, ElementsAre("10.0.0.2:80"));
  EXPECT_THAT(d.summary, HasSubstr("10.0.0.2:80 failed 10 of 10 attempts"));
  EXPECT_THAT(d.summary, HasSubstr("clients saw none of it"));
  EXPECT_THAT(d.checks, ElementsAre(HasSubstr("nc -vz -w 3 10.0.0.2 80 || "),
                                    HasSubstr("tcp*  # on 10.0.0.2"),
                                    HasSubstr("-e 10.0.0.2:80 -e app ")));
}

TEST(Diagnose, TellsTheFailingPeerFromOneWithAnOddFailure) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50, "10.0.0.1:80").Bad(50, Refused("10.0.0.1:80"));
  scene.Good(98, "10.0.0.2:80").Bad(2, Refused("10.0.0.2:80"));
  scene.Good(1, "10.0.0.2:80");
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kPartial);
  EXPECT_THAT(d.peers, ElementsAre("10.0.0.1:80"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("nc -vz -w 3 10.0.0.1 80 ")));
}

TEST(Diagnose, DrawsNoLineBetweenPeersThatAllFail) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50, "10.0.0.1:80").Bad(50, Refused("10.0.0.1:80"));
  scene.Good(70, "10.0.0.2:80").Bad(30, Refused("10.0.0.2:80"));
  scene.Good(1, "10.0.0.2:80");
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
}

TEST(Diagnose, DoesNotSayThatClientsSawNothingWhereTheyDid) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50, "10.0.0.1:80").Bad(5, Refused("10.0.0.2:80"));
  EXPECT_EQ(scene.One().pattern, Pattern::kPartial);
  EXPECT_THAT(scene.One().summary, Not(HasSubstr("clients saw")));
}

TEST(Diagnose, TellsAFailingGroupFromItsServers) {
  Scene scene("app", Protocol::kHttp);
  Failed none = Because(Cause::kNoLiveUpstreams);
  none.peer = "";
  none.phase = Phase::kSelect;
  scene.At(kMinute);
  scene.Bad(3, Refused("10.0.0.1:80")).Bad(2, Refused("10.0.0.2:80"));
  scene.Bad(95, none);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kOutage);
  EXPECT_EQ(d.cause, Cause::kConnectionRefused);
  EXPECT_THAT(d.summary, HasSubstr("failed: connection refused, until no "
                                   "server of the group was left"));
  EXPECT_THAT(d.peers, ElementsAre("10.0.0.1:80", "10.0.0.2:80"));
}

TEST(Diagnose, NamesThePeersOfAnAddressThatIsItsOwnGroup) {
  Scene scene("127.0.0.1:9000");
  scene.At(kMinute).Bad(10, Refused());
  EXPECT_THAT(scene.One().peers, ElementsAre("127.0.0.1:9000"));
}

// A plain `proxy_pass http://localhost:3000` has its port in the name only.
TEST(Diagnose, TellsAGroupWithAPortFromItsServers) {
  Scene scene("localhost:3000", Protocol::kHttp);
  Failed none = Because(Cause::kNoLiveUpstreams);
  none.peer = "";
  none.phase = Phase::kSelect;
  scene.At(kMinute).Bad(3, Refused("[::1]:3000")).Bad(95, none);
  Diagnosis d = scene.One();
  EXPECT_THAT(d.peers, ElementsAre("[::1]:3000"));
  EXPECT_THAT(d.checks[0], HasSubstr("ss -ltnp 'sport = :3000' || "));
  EXPECT_THAT(d.checks, Contains(HasSubstr("grep -nwF -e '[::1]:3000'")));

  Scene only("localhost:3000", Protocol::kHttp);
  only.At(kMinute).Bad(5, none);
  d = only.One();
  EXPECT_THAT(d.peers, IsEmpty());
  EXPECT_THAT(d.checks, ElementsAre(HasSubstr("max_conns")));
}

TEST(Diagnose, SaysWhenAGroupHasNoLiveServerAndNothingElseIsKnown) {
  Scene scene("app", Protocol::kHttp);
  Failed none = Because(Cause::kNoLiveUpstreams);
  none.peer = "";
  scene.At(kMinute).Bad(10, none);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.cause, Cause::kNoLiveUpstreams);
  EXPECT_THAT(d.peers, IsEmpty());
  EXPECT_THAT(d.summary, HasSubstr("nothing else failed in the last"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("max_conns")));
}

TEST(Diagnose, CountsAFailureWithoutAnAttemptAsOne) {
  Scene scene("app", Protocol::kHttp);
  Failed none = Because(Cause::kNoLiveUpstreams);
  none.peer = "";
  none.attempted = false;
  scene.At(kMinute).Bad(2, none);
  EXPECT_THAT(scene.One().summary, HasSubstr("2 of 2 requests"));
}

// No room for the request's body: the request fails, and no attempt of it.
TEST(Diagnose, CountsRequestsThatFailedBeforeAnyAttempt) {
  Scene scene("app", Protocol::kHttp);
  Failed full = Because(Cause::kInternalError);
  full.peer = "";
  full.attempted = false;
  scene.At(kMinute).Good(4).At(kMinute + kSecond).Bad(3, full).Good(1);
  EXPECT_THAT(scene.One().summary, HasSubstr("3 of 8 requests failed"));
  // With those that were tried there is no word for both.
  scene.Bad(1, Because(Cause::kReadTimeout));
  EXPECT_THAT(scene.One().summary, HasSubstr("4 of 9 attempts failed"));
}

// auth_request could do nothing with what its server has answered.
TEST(Diagnose, CountsAnAttemptWhoseAnswerWasOfNoUseOnce) {
  Scene scene("auth", Protocol::kHttp);
  Failed useless = Because(Cause::kInternalError);
  useless.peer = "";
  scene.At(kMinute).Good(3).Bad(3, useless);
  EXPECT_THAT(scene.One().summary, HasSubstr("ll 3 attempts "));
  scene.Good(4);
  EXPECT_THAT(scene.One().summary, HasSubstr("3 of 7 attempts failed"));
}

TEST(Diagnose, CallsAPeerThatDoesAndDoesNotIntermittent) {
  Scene scene("app", Protocol::kHttp);
  for (int i = 0; i < 10; ++i) {
    Failed failed = Because(Cause::kClosedBeforeResponse);
    failed.uri = absl::StrCat("/", i);
    scene.At(kMinute).Bad(1, failed).Good(9);
  }
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kDegraded);
  EXPECT_EQ(d.pattern, Pattern::kIntermittent);
  EXPECT_THAT(d.summary, HasSubstr("10 of 100 attempts failed"));
  EXPECT_THAT(d.peers, ElementsAre("127.0.0.1:9000"));
}

// Whether it had been idle nobody has seen here.
TEST(Diagnose, MeasuresTheIdleTimeOfAKeepaliveRace) {
  Scene scene("app", Protocol::kHttp);
  for (int i = 0; i < 6; ++i) {
    Failed failed = Because(Cause::kKeepaliveRace);
    failed.method = "POST";
    failed.not_retried = NotRetried::kMethod;
    failed.uri = absl::StrCat("/form/", i);
    scene.At(i * kMinute).Good(200).Bad(1, failed).Good(1);
  }
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kIntermittent);
  EXPECT_THAT(d.summary, Not(HasSubstr("closes idle connections")));
  EXPECT_THAT(d.hint, HasSubstr("shorter than keepalive_timeout"));
  EXPECT_THAT(d.summary, HasSubstr("(POST)"));
  EXPECT_THAT(d.checks[0], HasSubstr("/dev/tcp/127.0.0.1/9000"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("below the time measured")));
  EXPECT_THAT(d.checks, Not(Contains(HasSubstr("30s"))));
}

TEST(Diagnose, PutsFailuresThatCameWithAReloadDownToIt) {
  Scene scene;
  for (int i = 0; i < 10; ++i) {
    scene.At(i * kMinute).Good(20);
  }
  scene.At(10 * kMinute + 30 * kSecond).Reload();
  scene.At(10 * kMinute + 40 * kSecond).Bad(20, Refused());
  scene.At(12 * kMinute).Bad(20, Refused());
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kOutage);
  EXPECT_EQ(d.pattern, Pattern::kSinceReload);
  EXPECT_EQ(d.since, kStart + 10 * kMinute + 40 * kSecond);
  EXPECT_THAT(d.summary,
              HasSubstr("since the configuration was loaded 90 seconds ago, "
                        "none of the 200 requests before did"));
}

// Within the minute, and what answered before is none of the group's any more.
TEST(Diagnose, PutsFailuresDownToAReloadOfTheSameMinute) {
  Scene scene;
  scene.At(kMinute + 5 * kSecond).Good(20);
  scene.At(kMinute + 8 * kSecond).Reload();
  scene.At(kMinute + 10 * kSecond).Bad(6, Refused("127.0.0.1:1"));
  EXPECT_EQ(scene.One().pattern, Pattern::kSinceReload);
  EXPECT_THAT(scene.One().summary,
              HasSubstr("2 seconds ago, none of the 20 requests before did"));
}

TEST(Diagnose, CountsNoServerOfBeforeAReloadAsOneThatAnswers) {
  Scene scene;
  scene.At(0).Bad(1, Refused("127.0.0.1:1"));
  scene.At(10 * kMinute).Good(20);
  scene.At(10 * kMinute + kSecond).Reload();
  scene.At(10 * kMinute + 2 * kSecond).Bad(6, Refused("127.0.0.1:1"));
  EXPECT_NE(scene.One().pattern, Pattern::kPartial);
  scene.Good(3);
  EXPECT_EQ(scene.One().pattern, Pattern::kPartial);
}

TEST(Diagnose, DoesNotBlameAReloadForWhatBeganBeforeIt) {
  Scene scene;
  scene.At(0).Good(20);
  scene.At(9 * kMinute).Bad(20, Refused());
  scene.At(10 * kMinute).Reload();
  scene.At(11 * kMinute).Bad(20, Refused());
  EXPECT_EQ(scene.One().pattern, Pattern::kOutage);
}

TEST(Diagnose, DoesNotBlameAReloadForWhatCameMuchLater) {
  Scene scene;
  scene.At(0).Good(20);
  scene.At(kMinute).Reload();
  scene.At(20 * kMinute).Good(20);
  scene.At(25 * kMinute).Bad(20, Refused());
  EXPECT_EQ(scene.One().pattern, Pattern::kOutage);
}

TEST(Diagnose, DoesNotBlameTheFirstConfiguration) {
  Scene scene;
  scene.At(0).Good(20);
  scene.At(kMinute + kSecond).Bad(20, Refused());
  EXPECT_EQ(scene.One().pattern, Pattern::kOutage);
}

TEST(Diagnose, SaysThatAnUpstreamRecovered) {
  Scene scene;
  scene.At(10 * kMinute).Bad(20, Refused());
  scene.At(11 * kMinute).Good(20);
  scene.At(13 * kMinute).Good(20);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kInfo);
  EXPECT_EQ(d.pattern, Pattern::kRecovered);
  EXPECT_THAT(d.summary, HasSubstr("the last one 3 minutes ago"));
}

TEST(Diagnose, CallsNothingRecoveredOnOneGoodAnswer) {
  Scene scene;
  scene.At(10 * kMinute).Bad(20, Refused());
  scene.At(12 * kMinute).Good(1);
  EXPECT_NE(scene.One().pattern, Pattern::kRecovered);
}

TEST(Diagnose, DoesNotCallAPeerRecoveredThatWasNotTriedAgain) {
  Scene scene("app", Protocol::kHttp);
  scene.At(10 * kMinute).Bad(5, Refused("10.0.0.2:80")).Good(5, "10.0.0.1:80");
  scene.At(13 * kMinute).Good(50, "10.0.0.1:80");
  EXPECT_EQ(scene.One().pattern, Pattern::kPartial);
}

TEST(Diagnose, SeesRestartsInBurstsOfRefusals) {
  Scene scene;
  for (int i = 0; i < 5; ++i) {
    scene.At((1 + 3 * i) * kMinute).Bad(5, Refused()).Good(10);
    scene.At((2 + 3 * i) * kMinute).Good(30);
  }
  scene.At(14 * kMinute + 10 * kSecond);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kIntermittent);
  EXPECT_THAT(d.summary, HasSubstr("in 5 bursts over the last hour"));
  EXPECT_EQ(d.since, kStart + kMinute);
}

TEST(Diagnose, CallsFailuresInEveryMinuteNoBursts) {
  Scene scene;
  for (int i = 0; i < 6; ++i) {
    scene.At(i * kMinute).Good(50).Bad(5, Refused()).Good(1);
  }
  EXPECT_THAT(scene.One().summary, HasSubstr("the others did not fail"));
}

TEST(Diagnose, DoesNotCallABriefPauseBetweenBurstsRecovered) {
  Scene scene;
  for (int i = 0; i < 3; ++i) {
    scene.At(3 * i * kMinute).Bad(5, Refused());
    scene.At((3 * i + 1) * kMinute).Good(30);
  }
  scene.At(9 * kMinute).Good(30);
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
  scene.At(12 * kMinute).Good(30);
  EXPECT_EQ(scene.One().pattern, Pattern::kRecovered);
}

TEST(Diagnose, SeesFailuresThatNeverHadAPeer) {
  Scene scene("api.example.com", Protocol::kHttp);
  Failed failed = Because(Cause::kDnsError);
  failed.peer = "";
  failed.phase = Phase::kResolve;
  scene.At(kMinute).Bad(7, failed);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kOutage);
  EXPECT_EQ(d.cause, Cause::kDnsError);
  EXPECT_THAT(d.summary, HasSubstr("All 7 requests of the last "));
  EXPECT_THAT(d.peers, IsEmpty());
  EXPECT_THAT(d.checks[0], HasSubstr("dig api.example.com;"));
}

TEST(Diagnose, ListsTheWorstFirstAndEachOnce) {
  Scene scene("flaky", Protocol::kHttp);
  scene.At(kMinute).Good(50).Bad(40, Refused()).Good(1);
  scene.Use("dead", Protocol::kHttp);
  scene.Bad(5, Refused());
  scene.Use("fine", Protocol::kHttp);
  scene.Good(5);
  scene.Use("worse", Protocol::kHttp);
  scene.Bad(9, Refused());
  std::vector<std::string> names;
  for (const Diagnosis& d : scene.Diagnose()) {
    names.emplace_back(d.upstream);
  }
  EXPECT_THAT(names, ElementsAre("worse", "dead", "flaky"));
}

TEST(Diagnose, NamesTenPeersAtMost) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute);
  for (int i = 0; i < 30; ++i) {
    scene.Bad(1, Refused(absl::StrCat("10.0.0.", i, ":80")));
  }
  EXPECT_EQ(scene.One().peers.size(), 10u);
  scene.Good(20, "10.0.1.1:80");
  EXPECT_EQ(scene.One().pattern, Pattern::kPartial);
  EXPECT_EQ(scene.One().peers.size(), 10u);
}

TEST(Diagnoser, FindsTheSameInManySteps) {
  Snapshot snapshot = Scene().At(kMinute).Bad(20, Refused()).Take();
  for (int i = 0; i < 9; ++i) {
    snapshot.upstreams.push_back(snapshot.upstreams[0]);
  }
  Diagnoser diagnoser(snapshot);
  int steps = 1;
  while (diagnoser.Next(1)) {
    ++steps;
  }
  EXPECT_EQ(steps, 10);
  const List<Diagnosis> found = diagnoser.Take();
  const List<Diagnosis> whole = Diagnose(snapshot);
  ASSERT_EQ(found.size(), 10u);
  ASSERT_EQ(whole.size(), 10u);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].summary, whole[i].summary);
  }
}

TEST(Names, AreThoseOfTheContract) {
  EXPECT_EQ(SeverityName(Severity::kOutage), "outage");
  EXPECT_EQ(SeverityName(Severity::kDegraded), "degraded");
  EXPECT_EQ(SeverityName(Severity::kInfo), "info");
  EXPECT_EQ(PatternName(Pattern::kOutage), "outage");
  EXPECT_EQ(PatternName(Pattern::kPartial), "partial");
  EXPECT_EQ(PatternName(Pattern::kIntermittent), "intermittent");
  EXPECT_EQ(PatternName(Pattern::kSingleUri), "single_uri");
  EXPECT_EQ(PatternName(Pattern::kSinceReload), "since_reload");
  EXPECT_EQ(PatternName(Pattern::kRecovered), "recovered");
}

}  // namespace
}  // namespace upstream_502
