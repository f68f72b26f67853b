// What a summary says beyond the cause's name: the buffer, the status.

#include <string>

#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"

namespace upstream_502 {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Diagnose, SaysWhichBufferTheHeaderDidNotFitIn) {
  Scene scene;
  Failed failed = Because(Cause::kHeaderTooBig);
  failed.limit = 4096;
  failed.bytes_received = 4096;
  scene.At(kMinute).Bad(5, failed);
  const Diagnosis d = scene.One();
  EXPECT_THAT(d.summary,
              HasSubstr("fastcgi_buffer_size (4k) was full after 4096 "
                        "bytes, before the header's end"));
  EXPECT_EQ(d.checks[0], "fastcgi_buffer_size 16k; fastcgi_buffers 8 16k;");
}

TEST(Diagnose, DoesNotCallABufferFullThatIsNot) {
  Scene scene;
  Failed failed = Because(Cause::kHeaderTooBig);
  failed.limit = 4096;
  failed.bytes_received = 25;  // the length of a field, and it is too large
  scene.At(kMinute).Bad(5, failed);
  const auto summary = scene.One().summary;
  EXPECT_THAT(summary, HasSubstr("fastcgi_buffer_size (4k)"));
  EXPECT_THAT(summary, Not(HasSubstr("full")));
}

TEST(Diagnose, SaysWhatTheBackendAnswered) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kErrorStatus);
  failed.received_status = 502;
  scene.At(kMinute).Bad(5, failed);
  EXPECT_THAT(scene.One().summary,
              HasSubstr("the backend itself answered 502"));
}

TEST(Diagnose, AsksWhatAServerIsThatHasNeverAnswered) {
  for (const Cause cause :
       {Cause::kClosedBeforeResponse, Cause::kResetBeforeResponse}) {
    Scene scene("app", Protocol::kHttp);
    scene.At(kMinute).Bad(5, Because(cause));
    const auto hint = scene.One().hint;
    EXPECT_THAT(hint, HasSubstr("not answered once"));
    EXPECT_THAT(hint, HasSubstr("does it speak what proxy_pass speaks"));
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

}  // namespace
}  // namespace upstream_502
