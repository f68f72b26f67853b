// What a summary says beyond the cause's name: the buffer, the status.

#include <string>

#include "advice/scene.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

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
  const std::string summary(scene.One().summary);
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

TEST(Diagnose, QuotesWhatNginxCaughtInTheBackendsErrors) {
  Scene scene;
  Failed failed = Because(Cause::kErrorStatus);
  failed.message = "FastCGI sent in stderr: \"Primary script unknown\"";
  scene.At(kMinute).Bad(5, failed);
  const Diagnosis d = scene.One();
  EXPECT_THAT(d.summary, HasSubstr("nginx's words: FastCGI sent in stderr"));
  EXPECT_THAT(std::string(d.hint), StartsWith("PHP-FPM finds no file"));
}

TEST(Diagnose, SaysWhatRequestsWereSentToNoServer) {
  Scene scene("app", Protocol::kHttp);
  Failed none = Because(Cause::kNoLiveUpstreams);
  none.peer = "";
  none.evidence.emplace();
  AppendServer({.address = "127.0.0.1:9000",
                .out = ServerOut::kMaxConns,
                .conns = 1,
                .max_conns = 1},
               &*none.evidence);
  scene.At(kMinute).Bad(7, none).Bad(1, Because(Cause::kReadTimeout));
  const std::string summary(scene.One().summary);
  EXPECT_THAT(summary,
              HasSubstr("mostly no live upstreams, nginx kept servers out for "
                        "max_conns, see peers_down"));
  EXPECT_THAT(summary, Not(HasSubstr("until")));
  // Where more failed at servers, that is the cause.
  scene.Bad(9, Because(Cause::kReadTimeout));
  EXPECT_THAT(scene.One().summary,
              HasSubstr("7 of them were sent to no server"));
}

TEST(Diagnose, CountsRequestsThatNobodyAnswered) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(10).Bad(3, Because(Cause::kReadTimeout));
  Snapshot snapshot = scene.Take();
  snapshot.upstreams[0].peers[0].last_success = 0;
  const auto all = Diagnose(snapshot);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(all[0].summary,
              HasSubstr("3 of 13 attempts failed in the last "));
  EXPECT_THAT(all[0].summary, HasSubstr(", none was answered: read timeout"));
}

TEST(Diagnose, SaysThatNoClientGotIt) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Refused();
  failed.rescued = true;
  failed.attempts = 1;  // a page of the configuration's own, say
  scene.At(kMinute).Bad(5, failed);
  const Diagnosis d = scene.One();
  EXPECT_EQ(d.severity, Severity::kOutage);
  EXPECT_THAT(d.summary,
              HasSubstr("; no client got a 502 or 504 because of it"));
}

TEST(Diagnose, SaysHowMuchOfItIsOfTheCause) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute)
      .Bad(4, Because(Cause::kClosedBeforeResponse))
      .Bad(3, Because(Cause::kBodyIncomplete))
      .Bad(3, Because(Cause::kHeaderTooBig));
  EXPECT_THAT(scene.One().summary, HasSubstr("most often closed before"));
  scene.Bad(9, Because(Cause::kClosedBeforeResponse));
  EXPECT_THAT(scene.One().summary, HasSubstr("mostly closed before"));
}

TEST(Diagnose, FetchesWhatFailed) {
  Scene scene("app", Protocol::kHttp);
  Failed failed = Because(Cause::kReadTimeout);
  failed.uri = "/slow?x=1";
  scene.At(kMinute).Bad(1, failed);
  EXPECT_THAT(ChecksOf(scene.One()), HasSubstr("127.0.0.1:9000/slow"));
}

// A target that leads back to where it came from.
TEST(Diagnose, AsksWhetherNginxIsItsOwnBackend) {
  Scene scene("self", Protocol::kHttp);
  Failed failed = Because(Cause::kErrorStatus);
  failed.peer = "127.0.0.1:8080";
  failed.received_status = 502;
  scene.At(kMinute).Bad(5, failed);
  Snapshot snapshot = scene.Take();
  const auto hint = [&snapshot](const char* listens) {
    snapshot.server.listens = {String("unix:/run/a.sock"), String(listens)};
    return std::string(Diagnose(snapshot)[0].hint);
  };
  EXPECT_THAT(hint("0.0.0.0:8080"),
              StartsWith("127.0.0.1:8080 is an address that this nginx itself "
                         "listens on: does the target lead back here; else "));
  EXPECT_EQ(hint("127.0.0.1:8080"), hint("0.0.0.0:8080"));
  for (const char* other : {"0.0.0.0:80", "127.0.0.2:8080", "[::]:8080"}) {
    EXPECT_THAT(hint(other), Not(HasSubstr("nginx itself"))) << other;
  }
}

// Docker, a NodePort: nobody listens there while it works.
TEST(Diagnose, ThinksOfARuleThatLedAPortElsewhere) {
  const auto closed = [](const Event&) -> std::vector<Found> {
    return {{Finding::kPortClosed, "closed"}};
  };
  Failed failed = Refused("10.9.0.1:30080");
  failed.evidence.emplace();
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Bad(5, failed);
  EXPECT_THAT(scene.One(closed).hint, Not(HasSubstr("NodePort")));
  scene.Good(1, "10.9.0.1:30080");
  const Diagnosis d = scene.One(closed);
  EXPECT_THAT(d.hint, HasSubstr("(Docker, a NodePort)"));
  EXPECT_THAT(d.checks, Contains(HasSubstr("| grep -w 30080; iptables-save")));

  failed.peer = "127.0.0.1:3000";
  Scene near("near", Protocol::kHttp);
  near.At(kMinute).Bad(5, failed).Good(1, "127.0.0.1:3000");
  EXPECT_THAT(near.One(closed).hint, Not(HasSubstr("NodePort")));
}

}  // namespace
}  // namespace upstream_502
