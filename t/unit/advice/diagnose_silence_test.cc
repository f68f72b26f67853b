// Servers that have never answered.

#include <string>

#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"

namespace upstream_502 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Diagnose, AsksWhatAServerIsThatHasNeverAnswered) {
  for (const Cause cause :
       {Cause::kClosedBeforeResponse, Cause::kResetBeforeResponse}) {
    Scene scene("app", Protocol::kHttp);
    scene.At(kMinute).Bad(5, Because(cause));
    const std::string hint(scene.One().hint);
    EXPECT_THAT(hint, HasSubstr("not answered once"));
    EXPECT_THAT(hint,
                HasSubstr("check whether it speaks what proxy_pass speaks"));
    EXPECT_THAT(hint, HasSubstr("docker-proxy"));
  }
}

TEST(Diagnose, DoesNotAskThatOfAServerThatHasAnswered) {
  Scene scene("app", Protocol::kHttp);
  scene.At(0).Good(1);
  scene.At(5 * kMinute).Bad(5, Because(Cause::kClosedBeforeResponse));
  EXPECT_THAT(scene.One().hint, Not(HasSubstr("not answered once")));
}

TEST(Diagnose, DoesNotAskThatOfOneThatDoesNotTakeConnections) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(5, Because(Cause::kConnectionRefused));
  EXPECT_THAT(scene.One().hint, Not(HasSubstr("not answered once")));
}

TEST(Diagnose, DoesNotAskThatWhereSomethingHasCome) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute)
      .Bad(5, Because(Cause::kClosedBeforeResponse))
      .Bad(1, Because(Cause::kBodyIncomplete));
  EXPECT_THAT(scene.One().hint, Not(HasSubstr("not answered once")));
}

TEST(Diagnose, DoesNotAskThatWhereBytesHaveCome) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kReadTimeout);
  failed.bytes_received = 23;
  scene.At(kMinute).Bad(5, failed);
  EXPECT_THAT(scene.One().hint, Not(HasSubstr("not answered once")));
  Scene early("app", Protocol::kHttp);
  failed = Because(Cause::kClosedBeforeResponse);
  failed.evidence.emplace().early_status = 413;
  early.At(kMinute).Bad(5, failed);
  EXPECT_THAT(early.One().hint, Not(HasSubstr("not answered once")));
}

TEST(Diagnose, DoesNotAskThatOfAServerThatAnswersForAnother) {
  Scene scene("a", Protocol::kHttp);
  scene.At(kMinute).Good(5);
  scene.Use("b", Protocol::kHttp);
  scene.Bad(5, Because(Cause::kClosedBeforeResponse));
  EXPECT_THAT(scene.One().hint, Not(HasSubstr("not answered once")));
}

TEST(Diagnose, AsksThatOfTheOneThatNeverAnsweredAmongOthers) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kClosedBeforeResponse);
  failed.peer = "10.0.0.2:443";
  scene.At(kMinute).Good(50, "10.0.0.1:80").Bad(6, failed);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.pattern, Pattern::kPartial);
  EXPECT_THAT(d.hint, HasSubstr("not answered once"));
}

TEST(Diagnose, NamesSettingsWhereSomethingRanForAWhile) {
  Scene scene("app", Protocol::kFastcgi);
  Failed failed = Because(Cause::kClosedBeforeResponse);
  failed.response_time = 3400;
  failed.protocol = Protocol::kFastcgi;
  scene.At(kMinute).Bad(5, failed);
  const std::string hint(scene.One().hint);
  EXPECT_THAT(hint, HasSubstr("a relay (docker-proxy"));
  EXPECT_THAT(hint, HasSubstr("; else PHP-FPM: request_terminate_timeout"));
  EXPECT_LE(hint.size(), 300U);
}

TEST(Diagnose, AsksItOfATimeoutToo) {
  Scene scene("app", Protocol::kUwsgi);
  Failed failed = Because(Cause::kReadTimeout);
  failed.response_time = failed.limit = 2000;
  failed.protocol = Protocol::kUwsgi;
  scene.At(kMinute).Bad(5, failed);
  const Diagnosis d = scene.One();
  EXPECT_THAT(d.hint,
              HasSubstr("check whether it speaks what uwsgi_pass speaks"));
  EXPECT_THAT(ChecksOf(d), HasSubstr("# what speaks HTTP answers"));
  EXPECT_THAT(ChecksOf(d), HasSubstr("# 0: no TLS is spoken there"));
}

}  // namespace
}  // namespace upstream_502
