#include "upstream_502/verdict/classify.h"

#include <initializer_list>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kReset =
    "recv() failed (104: Connection reset by peer)";
constexpr absl::string_view kTimedOut =
    "upstream timed out (110: Connection timed out)";

// Cause and phase in one word, "-" for an attempt that did not fail.
std::string Judge(const Attempt& attempt) {
  const std::optional<Failure> failure = Classify(attempt);
  return failure ? absl::StrCat(CauseName(failure->cause), " ",
                                PhaseName(failure->phase))
                 : "-";
}

TEST(ClassifyTest, TroubleBeforeAnAttemptIsInternal) {
  for (const absl::string_view message : {
           "invalid URL prefix in \"ftp://x\"",
           "invalid port in upstream \"127.0.0.1:99999\"",
           "invalid host in upstream \"(104: x)\"",
           "no host in upstream \":80\"",
           "invalid IPv6 address in upstream \"[::\"",
           "no path in the unix domain socket in upstream \"unix:\"",
           "too long path in the unix domain socket in upstream \"unix:/x\"",
           "grpcs protocol requires SSL support",
           "cache \"none\" not found",
           "zero length URI to proxy",
           "fastcgi request record is too big: 65600",
           "uwsgi request is too big: 65600",
           "scgi request length mismatch",
           "the \"$memcached_key\" variable is not set",
           "too long http2 URI",
           "no buffer space in grpc create request",
           "no port in upstream \"name\"",
           "no upstream configuration",
       }) {
    EXPECT_TRUE(TellsFailure(RecognizeLine(message))) << message;
    EXPECT_EQ(
        Judge({.message = message, .ending = Ending::kNoAttempt, .rc = 500}),
        "internal_error resolve")
        << message;
  }
}

TEST(ClassifyTest, TellsTheResolversAnswer) {
  const auto judge = [](absl::string_view message) {
    return Judge({.message = message, .ending = Ending::kNoAttempt, .rc = 502});
  };
  EXPECT_EQ(judge("a could not be resolved (3: Host not found)"),
            "dns_error resolve");
  EXPECT_EQ(judge("a could not be resolved (2: Server failure)"),
            "dns_error resolve");
  EXPECT_EQ(judge("a could not be resolved (110: Operation timed out)"),
            "dns_timeout resolve");
  EXPECT_EQ(judge("no resolver defined to resolve a"),
            "resolver_missing resolve");
}

// The client may choose the name that is resolved.
TEST(ClassifyTest, NamesDoNotChangeWhyTheyWereNotResolved) {
  EXPECT_EQ(Judge({.message = "connect() failed (111: x) could not be resolved "
                              "(3: Host not found)",
                   .ending = Ending::kNoAttempt,
                   .rc = 502}),
            "dns_error resolve");
  EXPECT_EQ(Judge({.message = "client could not be resolved (110: x) could not "
                              "be resolved (2: Server failure)",
                   .ending = Ending::kNoAttempt,
                   .rc = 502}),
            "dns_error resolve");
}

TEST(ClassifyTest, NoAttemptWithoutALineIsUnknownOrInternal) {
  EXPECT_EQ(Judge({.ending = Ending::kNoAttempt, .rc = 502}),
            "unknown resolve");
  EXPECT_EQ(Judge({.ending = Ending::kNoAttempt, .rc = 500}),
            "internal_error resolve");
  EXPECT_EQ(Judge({.ending = Ending::kNoAttempt, .rc = 499}), "-");
  EXPECT_EQ(Judge({.ending = Ending::kNoAttempt, .rc = 0}), "-");
}

TEST(ClassifyTest, TimersTellWhichTimeoutRanOut) {
  Attempt a = {.message = kTimedOut, .status = 504, .rc = 504};
  a.timer = Timer::kWrite;
  EXPECT_EQ(Judge(a), "connection_timeout connect");
  EXPECT_EQ(Classify(a)->errno_number, 110);
  EXPECT_EQ(Classify(a)->errno_class, ErrnoClass::kTimedOut);
  a.tls = true;
  EXPECT_EQ(Judge(a), "connection_timeout connect");
  a.tls_started = true;
  EXPECT_EQ(Judge(a), "tls_timeout tls");
  a.tls_handshaked = a.connected = true;
  EXPECT_EQ(Judge(a), "send_timeout send");
  a.request_sent = true;
  EXPECT_EQ(Judge(a), "send_timeout send");
  a.timer = Timer::kRead;
  EXPECT_EQ(Judge(a), "read_timeout header");
  a.timer = Timer::kNone;
  EXPECT_EQ(Judge(a), "read_timeout header");
  a.bytes_received = 9;
  EXPECT_EQ(Judge(a), "read_timeout header");
  a.header_done = true;
  a.status = a.received_status = 200;
  EXPECT_EQ(Judge(a), "body_timeout body");
  a.rc = 502;
  EXPECT_EQ(Judge(a), "body_timeout body");
}

TEST(ClassifyTest, TimeoutOnAReusedConnectionIsNoRace) {
  EXPECT_EQ(Judge({.message = kTimedOut,
                   .timer = Timer::kRead,
                   .reused = true,
                   .connected = true,
                   .request_sent = true,
                   .status = 504,
                   .rc = 504}),
            "read_timeout header");
}

TEST(ClassifyTest, SilentFailuresAreToldByTheirState) {
  const Attempt sent = {.connected = true, .request_sent = true};
  Attempt a = sent;
  a.rc = 500;
  EXPECT_EQ(Judge(a), "internal_error header");
  a.rc = 503;
  EXPECT_EQ(Judge(a), "internal_error header");
  EXPECT_EQ(Judge({.rc = 500}), "internal_error connect");
  a = sent;
  a.header_done = true;
  a.status = a.received_status = 200;
  a.rc = 502;
  EXPECT_EQ(Judge(a), "body_incomplete body");
  a.rc = 504;
  EXPECT_EQ(Judge(a), "body_timeout body");
  a.rc = 500;  // a filter's fault, the upstream did well
  EXPECT_EQ(Judge(a), "-");
  // A balancer that declines.
  EXPECT_EQ(Judge({.status = 502, .rc = 502}), "no_live_upstreams select");
  EXPECT_EQ(Judge({.ending = Ending::kRetried, .status = 502}),
            "no_live_upstreams select");
  // Angie's HTTP/3: a server was there, and why it failed is not told.
  EXPECT_EQ(Judge({.peer_named = true, .tls = true, .status = 502, .rc = 502}),
            "unknown connect");
}

TEST(ClassifyTest, WhatNobodyKnowsIsUnknown) {
  EXPECT_EQ(Judge({.request_sent = true, .status = 502, .rc = 502}),
            "unknown header");
  EXPECT_EQ(Judge({.message = "something new", .status = 502, .rc = 502}),
            "unknown connect");
  EXPECT_EQ(Judge({.message = "something new",
                   .connected = true,
                   .request_sent = true,
                   .status = 502,
                   .rc = 502}),
            "unknown header");
  EXPECT_EQ(Judge({.message = "open() \"/50x.html\" failed (2: x)",
                   .request_sent = true,
                   .status = 502,
                   .rc = 502}),
            "unknown header");
}

// nginx does not look whether the header went out before it gives up a
// request that is still being sent: the attempt reads 502 or 504 then.
TEST(ClassifyTest, AFailureAfterTheHeaderIsOneOfTheBody) {
  Attempt a = {.message = kTimedOut,
               .timer = Timer::kWrite,
               .request_sent = true,
               .header_done = true,
               .status = 504,
               .received_status = 200,
               .rc = 504};
  EXPECT_EQ(Judge(a), "body_timeout body");
  a.ending = Ending::kRetried;
  EXPECT_EQ(Judge(a), "body_timeout body");
  a.message = "writev() failed (32: Broken pipe)";
  a.status = 502;
  EXPECT_EQ(Judge(a), "body_incomplete body");
}

// One thing a backend does, and all the lines that nginx may write about it.
TEST(ClassifyTest, OneActionOverTlsHasOneCause) {
  for (const absl::string_view message : {
           "peer closed connection in SSL handshake (104: Connection reset by "
           "peer)",
           "peer closed connection in SSL handshake",
           "upstream prematurely closed connection",
           "connect() failed (104: Connection reset by peer)",
           "connect() failed (32: Broken pipe)",
           "recv() failed (104: Connection reset by peer)",
       }) {
    for (const bool started : {false, true}) {
      EXPECT_EQ(Judge({.message = message,
                       .tls = true,
                       .tls_started = started,
                       .status = 502,
                       .rc = 502}),
                "tls_closed tls")
          << message;
    }
  }
}

// Whatever the bytes, the answer is one a reader can name.
TEST(ClassifyTest, BytesAtRandomDoNoHarm) {
  std::mt19937 random(502);
  const absl::string_view parts[] = {"connect() ",
                                     " (",
                                     "104: ",
                                     ")",
                                     "upstream sent ",
                                     "SSL_read() failed",
                                     "(SSL:",
                                     "SSL alert number ",
                                     "999999999999",
                                     " could not be resolved",
                                     "upstream timed out",
                                     "recv() failed",
                                     "\"",
                                     ", ignored",
                                     "110",
                                     " worker_connections are not enough"};
  for (int i = 0; i < 20000; ++i) {
    std::string message;
    for (auto n = random() % 6; n > 0; --n) {
      absl::StrAppend(&message, parts[random() % std::size(parts)]);
      message.push_back(static_cast<char>(random()));
    }
    const auto bit = [&random] { return random() % 2 == 1; };
    const int rcs[] = {-5, -1, 0, 200, 404, 499, 500, 502, 503, 504};
    const uint16_t statuses[] = {0, 101, 200, 404, 502, 504, 65535};
    const Attempt a = {
        .message = message,
        .protocol = static_cast<Protocol>(random() % kProtocolCount),
        .ending = static_cast<Ending>(random() % 3),
        .timer = static_cast<Timer>(random() % 3),
        .unix_socket = bit(),
        .tls = bit(),
        .tls_started = bit(),
        .tls_handshaked = bit(),
        .reused = bit(),
        .connected = bit(),
        .request_sent = bit(),
        .header_done = bit(),
        .upgraded = bit(),
        .status = statuses[random() % std::size(statuses)],
        .received_status = statuses[random() % std::size(statuses)],
        .bytes_received = random() % 2,
        .rc = rcs[random() % std::size(rcs)]};
    ASSERT_GE(AlertNumber(message), -1);
    ASSERT_LE(AlertNumber(message), 255);
    ASSERT_GE(ResolverCode(message), 0);
    if (const std::optional<Failure> failure = Classify(a)) {
      ASSERT_LT(static_cast<size_t>(failure->cause), kCauseCount);
      ASSERT_GE(failure->errno_number, 0);
      // Phases are those that the documentation promises.
      ASSERT_NE(Info(failure->cause).phases.find(PhaseName(failure->phase)),
                absl::string_view::npos)
          << message << " " << Judge(a);
    }
  }
}

}  // namespace
}  // namespace upstream_502
