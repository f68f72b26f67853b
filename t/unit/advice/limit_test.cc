#include "upstream_502/advice/limit.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kNginxGaveUp =
    "upstream timed out (110: Connection timed out)";
constexpr absl::string_view kKernelGaveUp =
    "connect() failed (110: Connection timed out)";

// What ends an attempt with which cause; any other cause has no limit.
const std::map<Cause, Limit>& Limits() {
  static const auto* limits = new std::map<Cause, Limit>{
      {Cause::kConnectionTimeout, Limit::kConnectTimeout},
      {Cause::kTlsTimeout, Limit::kConnectTimeout},
      {Cause::kSendTimeout, Limit::kSendTimeout},
      {Cause::kReadTimeout, Limit::kReadTimeout},
      {Cause::kBodyTimeout, Limit::kReadTimeout},
      {Cause::kHeaderTooBig, Limit::kBufferSize},
  };
  return *limits;
}

TEST(LimitOf, KnowsEveryCause) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    const auto found = Limits().find(cause);
    EXPECT_EQ(LimitOf(cause),
              found == Limits().end() ? Limit::kNone : found->second)
        << CauseName(cause);
  }
  EXPECT_EQ(LimitOf(static_cast<Cause>(255)), Limit::kNone);
}

TEST(LimitDirective, CarriesTheProtocolsPrefix) {
  const std::map<Limit, std::string> suffixes = {
      {Limit::kConnectTimeout, "_connect_timeout"},
      {Limit::kSendTimeout, "_send_timeout"},
      {Limit::kReadTimeout, "_read_timeout"},
      {Limit::kBufferSize, "_buffer_size"},
  };
  for (size_t i = 0; i < kProtocolCount; ++i) {
    const auto protocol = static_cast<Protocol>(i);
    EXPECT_EQ(LimitDirective(Limit::kNone, protocol), "");
    for (const auto& [limit, suffix] : suffixes) {
      EXPECT_EQ(LimitDirective(limit, protocol),
                absl::StrCat(DirectivePrefix(protocol), suffix));
    }
  }
}

TEST(LimitDirective, IsTheOneToLookFor) {
  const struct {
    Cause cause;
    Protocol protocol;
    absl::string_view directive;
  } kCases[] = {
      {Cause::kReadTimeout, Protocol::kFastcgi, "fastcgi_read_timeout"},
      {Cause::kConnectionTimeout, Protocol::kHttps, "proxy_connect_timeout"},
      {Cause::kTlsTimeout, Protocol::kSuwsgi, "uwsgi_connect_timeout"},
      {Cause::kSendTimeout, Protocol::kGrpcs, "grpc_send_timeout"},
      {Cause::kBodyTimeout, Protocol::kMemcached, "memcached_read_timeout"},
      {Cause::kHeaderTooBig, Protocol::kScgi, "scgi_buffer_size"},
      {Cause::kReadTimeout, Protocol::kTunnel, "tunnel_read_timeout"},
      {Cause::kConnectionRefused, Protocol::kHttp, ""},
      {Cause::kErrorStatus, Protocol::kHttp, ""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(LimitDirective(LimitOf(c.cause), c.protocol), c.directive);
  }
}

TEST(DecidingLimit, IsNginxsWhereNginxSaysSo) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    EXPECT_EQ(DecidingLimit(cause, kNginxGaveUp), LimitOf(cause))
        << CauseName(cause);
  }
}

// No directive would have helped.
TEST(DecidingLimit, IsNoneWhereTheKernelGaveUp) {
  for (const Cause cause : {Cause::kConnectionTimeout, Cause::kTlsTimeout,
                            Cause::kSendTimeout, Cause::kReadTimeout}) {
    for (const absl::string_view message :
         {kKernelGaveUp, absl::string_view("recv() failed (110: x)"),
          absl::string_view("the upstream timed out"), absl::string_view()}) {
      EXPECT_EQ(DecidingLimit(cause, message), Limit::kNone)
          << CauseName(cause) << ": " << message;
    }
  }
}

// Nobody else ends those, and nginx logs not always a line about it.
TEST(DecidingLimit, NeedsNoMessageWhereOnlyNginxHasOne) {
  for (const absl::string_view message :
       {kKernelGaveUp, absl::string_view("upstream sent too big header"),
        absl::string_view()}) {
    EXPECT_EQ(DecidingLimit(Cause::kBodyTimeout, message), Limit::kReadTimeout);
    EXPECT_EQ(DecidingLimit(Cause::kHeaderTooBig, message), Limit::kBufferSize);
  }
}

// The response had begun, and nobody read the rest of the request.
TEST(DecidingLimit, IsNotThatOfReadingWhereWritingTookTooLong) {
  EXPECT_EQ(DecidingLimit(Cause::kBodyTimeout, kNginxGaveUp, Timer::kWrite),
            Limit::kNone);
  EXPECT_EQ(DecidingLimit(Cause::kBodyTimeout, kNginxGaveUp, Timer::kRead),
            Limit::kReadTimeout);
}

TEST(LimitReached, IsTheConfiguredOneWhereTheAttemptTookThatLong) {
  for (const Limit limit :
       {Limit::kConnectTimeout, Limit::kSendTimeout, Limit::kReadTimeout}) {
    EXPECT_EQ(LimitReached(limit, 60000, 60000), 60000);
    EXPECT_EQ(LimitReached(limit, 60000, 59900), 60000);
    EXPECT_EQ(LimitReached(limit, 60000, 130000), 60000);
    EXPECT_EQ(LimitReached(limit, 60000, -1), 60000) << "time is not known";
    EXPECT_EQ(LimitReached(limit, -1, 500), -1) << "limit is not known";
  }
}

// A balancer had set another.
TEST(LimitReached, IsNoneWhereTheAttemptEndedBefore) {
  for (const Limit limit :
       {Limit::kConnectTimeout, Limit::kSendTimeout, Limit::kReadTimeout}) {
    EXPECT_EQ(LimitReached(limit, 60000, 59899), -1);
    EXPECT_EQ(LimitReached(limit, 60000, 500), -1);
  }
}

TEST(LimitReached, LeavesSizesAlone) {
  EXPECT_EQ(LimitReached(Limit::kBufferSize, 4096, 1), 4096);
  EXPECT_EQ(LimitReached(Limit::kNone, -1, 1), -1);
}

TEST(SufficientBuffer, IsWholePages) {
  EXPECT_EQ(SufficientBuffer(1), 4096);
  EXPECT_EQ(SufficientBuffer(4096), 4096);
  EXPECT_EQ(SufficientBuffer(20052), 20480);
}

}  // namespace
}  // namespace upstream_502
