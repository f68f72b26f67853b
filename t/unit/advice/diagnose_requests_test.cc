// What diagnoses say about requests: methods, paths, how long they took.

#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(DiagnoseRequests, SaysOnlyPostsWhereGetsAreRescued) {
  Scene scene("app", Protocol::kHttp);
  Failed get = Because(Cause::kKeepaliveRace);
  get.rescued = true;
  Failed post = Because(Cause::kKeepaliveRace);
  post.method = "POST";
  post.not_retried = NotRetried::kMethod;
  scene.At(kMinute).Good(20).Bad(10, get).Bad(4, post).Good(1);
  EXPECT_THAT(scene.One().summary, HasSubstr("(POST)"));
  get.rescued = false;
  scene.Bad(1, get);
  EXPECT_THAT(scene.One().summary, Not(HasSubstr("(POST)")));
}

TEST(DiagnoseRequests, ForgetsRequestsOfLongAgo) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kKeepaliveRace);
  scene.At(0).Good(20).Bad(10, failed);
  failed.method = "POST";
  failed.not_retried = NotRetried::kMethod;
  scene.At(20 * kMinute).Good(20).Bad(4, failed).Good(1);
  EXPECT_THAT(scene.One().summary, HasSubstr("(POST)"));
}

// nginx repeats a POST while nothing of it was sent.
TEST(DiagnoseRequests, SaysNothingAboutPostsThatHadOtherReasons) {
  for (const NotRetried reason : {NotRetried::kUnknown, NotRetried::kOnlyServer,
                                  NotRetried::kTries, NotRetried::kNotListed}) {
    Scene scene("app", Protocol::kHttp);
    Failed post = Refused();
    post.method = "POST";
    post.not_retried = reason;
    scene.At(kMinute).Bad(5, post);
    EXPECT_THAT(scene.One().summary, Not(HasSubstr("(POST)")));
  }
}

TEST(DiagnoseRequests, SaysNothingAboutPostsOnTwoOfThem) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kKeepaliveRace);
  failed.rescued = true;
  scene.At(kMinute).Good(20).Bad(10, failed);
  failed.rescued = false;
  failed.method = "POST";
  failed.not_retried = NotRetried::kMethod;
  scene.Bad(2, failed).Good(1);
  EXPECT_THAT(scene.One().summary, Not(HasSubstr("(POST)")));
}

TEST(DiagnoseRequests, FindsTheOnePath) {
  Scene scene;
  Failed failed = Because(Cause::kReadTimeout);
  failed.uri = "/report.php";
  failed.limit = 60000;
  failed.response_time = 60004;
  scene.At(kMinute).Good(500).Bad(6, failed).Good(1);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kSingleUri);
  EXPECT_THAT(d.summary, HasSubstr("are on /report.php"));
  EXPECT_THAT(d.summary, HasSubstr("fastcgi_read_timeout (60s) ran out"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("fastcgi_read_timeout 120s;")));
}

TEST(DiagnoseRequests, BlamesNoTimeoutWhereNoneOfNginxsDecided) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kConnectionTimeout);
  failed.limit = -1;
  failed.response_time = 130000;
  scene.At(kMinute).Bad(6, failed);
  EXPECT_THAT(scene.One().summary, Not(HasSubstr("ran out")));
}

// nginx's limit of a minute ran out on a body that had begun.
Failed SilentFor90Seconds(uint16_t received_status) {
  Failed failed = Because(Cause::kBodyTimeout);
  failed.phase = Phase::kBody;
  failed.received_status = received_status;
  failed.limit = 60000;
  failed.response_time = 90000;
  return failed;
}

TEST(DiagnoseRequests, CallsTheEndOfASilentEventStreamNoOutage) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = SilentFor90Seconds(200);
  failed.event_stream = 1;
  scene.At(kMinute).Bad(6, failed);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kInfo);
  EXPECT_EQ(d.summary,
            "6 idle connections ended in the last 60 seconds, of event streams "
            "(text/event-stream), proxy_read_timeout (60s) ran out");
  EXPECT_THAT(d.hint, HasSubstr("event stream"));
}

TEST(DiagnoseRequests, CallsTheEndOfAnIdleWebSocketNoOutage) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = SilentFor90Seconds(101);
  scene.At(kMinute).Bad(6, failed);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kInfo);
  EXPECT_EQ(d.summary,
            "6 idle connections ended in the last 60 seconds, after the switch "
            "to another protocol (101), proxy_read_timeout (60s) ran out");
  EXPECT_THAT(d.hint, HasSubstr("pings"));

  // What else fails is told in place of it.
  scene.Bad(3, Refused());
  EXPECT_EQ(scene.One().cause, Cause::kConnectionRefused);
  EXPECT_EQ(scene.One().severity, Severity::kOutage);

  // However many there were: they are in no number of it.
  Scene mixed("app", Protocol::kHttp);
  mixed.At(kMinute).Bad(100, failed).Bad(6, Refused());
  const Diagnosis both = mixed.One();
  EXPECT_EQ(both.summary,
            "All 6 attempts of the last 1 second failed: connection refused");
  EXPECT_DOUBLE_EQ(both.share, 1.0);

  // One that is none is told, and alone.
  Scene stalled("app", Protocol::kHttp);
  Failed stall = SilentFor90Seconds(200);
  stalled.At(kMinute).Bad(100, failed).Good(20).Bad(1, stall);
  const Diagnosis one = stalled.One();
  EXPECT_THAT(one.summary, HasSubstr("1 of 21 attempts failed"));
  EXPECT_EQ(one.severity, Severity::kInfo);

  Scene stream("app", Protocol::kHttp);
  failed.received_status = 200;
  stream.At(kMinute).Bad(6, failed);
  EXPECT_EQ(stream.One().severity, Severity::kOutage);
}

TEST(DiagnoseRequests, DoesNotBlameAPathForWhatFailsBeforeTheRequest) {
  Scene scene;
  scene.At(kMinute).Good(500).Bad(20, Refused()).Good(1);
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
}

TEST(DiagnoseRequests, DoesNotBlameAPathForWhatFailsOnIdleConnections) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kKeepaliveRace);
  failed.uri = "/graphql";
  scene.At(kMinute).Good(500).Bad(20, failed).Good(1);
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
}

TEST(DiagnoseRequests, BlamesNoPathOnFewFailuresOrMixedOnes) {
  Scene scene;
  Failed failed = Because(Cause::kReadTimeout);
  failed.uri = "/report.php";
  scene.At(kMinute).Good(500).Bad(4, failed).Good(1);
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
  scene.Bad(4, failed).Good(1);
  EXPECT_EQ(scene.One().pattern, Pattern::kSingleUri);
  failed.uri = "/other.php";
  scene.Bad(2, failed).Good(1);
  EXPECT_EQ(scene.One().pattern, Pattern::kIntermittent);
}

TEST(DiagnoseRequests, TellsHowLongItHasCounted) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kSecond).Good(20).Bad(5, Refused()).Good(1);
  EXPECT_THAT(scene.One().summary, HasSubstr("in the last 1 second,"));
  scene.At(20 * kMinute).Good(20).Bad(5, Refused()).Good(1);
  EXPECT_THAT(scene.One().summary, HasSubstr("in the last 8 minutes,"));
}

}  // namespace
}  // namespace upstream_502
