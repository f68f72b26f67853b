// What is in the failure that comes out, and its name in RFC 9209.

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kTimedOut =
    "upstream timed out (110: Connection timed out)";

constexpr absl::string_view kMessages[] = {
    "",
    "connect() failed (111: Connection refused)",
    "connect() failed (113: No route to host!!)",
    "connect() failed (110: Connection timed out)",
    "upstream timed out (110: Connection timed out)",
    "upstream prematurely closed connection",
    "upstream prematurely closed FastCGI st",
    "recv() failed (104: Connection reset by peer)",
    "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong)",
    "SSL_do_handshake() failed (SSL: error:0A000086:certificate verify failed)",
    "no live upstreams",
    "a line of another module",
};

// One for each field, with nothing in it but that.
const std::vector<Attempt>& Attempts() {
  static const auto* attempts = new std::vector<Attempt>{
      {},
      {.protocol = Protocol::kHttps},
      {.ending = Ending::kRetried},
      {.ending = Ending::kNoAttempt},
      {.timer = Timer::kRead},
      {.timer = Timer::kWrite},
      {.unix_socket = true},
      {.tls = true},
      {.tls_started = true},
      {.tls_handshaked = true},
      {.reused = true},
      {.connected = true},
      {.request_sent = true},
      {.sending = true},
      {.header_done = true},
      {.upgraded = true},
      {.status = 502},
      {.received_status = 502},
      {.received_status = 504},
      {.bytes_received = 1},
      {.bytes_received = uint64_t{1} << 40},
      {.rc = -1},
      {.rc = 502},
      {.rc = 504},
  };
  return *attempts;
}

// What an attempt says of itself is in its failure, whatever the cause.
TEST(ClassifyFailureTest, TakesOverWhatTheAttemptSays) {
  int failed = 0;
  for (const absl::string_view message : kMessages) {
    for (Attempt attempt : Attempts()) {
      attempt.message = message;
      const std::optional<Failure> failure = Classify(attempt);
      if (!failure) {
        continue;
      }
      ++failed;
      EXPECT_EQ(failure->protocol, attempt.protocol) << message;
      EXPECT_EQ(failure->reused != 0, attempt.reused) << message;
      EXPECT_EQ(failure->status, attempt.status) << message;
      EXPECT_EQ(failure->received_status, attempt.received_status) << message;
      EXPECT_EQ(failure->errno_class, ClassifyErrno(failure->errno_number));
    }
  }
  EXPECT_GT(failed, 80);
}

TEST(ClassifyFailureTest, IsTheSameWhereTheLineWasRecognizedBefore) {
  for (const absl::string_view message : kMessages) {
    for (Attempt attempt : Attempts()) {
      attempt.message = message;
      const std::optional<Failure> first = Classify(attempt);
      attempt.line = RecognizeLine(message);
      const std::optional<Failure> again = Classify(attempt);
      ASSERT_EQ(first.has_value(), again.has_value()) << message;
      EXPECT_TRUE(!first || std::memcmp(&*first, &*again, sizeof(Failure)) == 0)
          << message;
    }
  }
}

// Others know these, and set them.
TEST(ClassifyFailureTest, LeavesTheRestUnset) {
  const std::optional<Failure> failure =
      Classify({.message = "upstream prematurely closed connection",
                .request_sent = true,
                .bytes_received = 9,
                .rc = 502});
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->time_ms, 0);
  EXPECT_EQ(failure->rescued, 0);
  EXPECT_EQ(failure->client_status, 0);
  EXPECT_EQ(failure->method, 0);
  EXPECT_EQ(failure->attempt, 0);
  EXPECT_EQ(failure->attempts, 0);
  EXPECT_EQ(failure->connect_time, -1);
  EXPECT_EQ(failure->header_time, -1);
  EXPECT_EQ(failure->response_time, -1);
  EXPECT_EQ(failure->bytes_sent, 0U);
  EXPECT_EQ(failure->bytes_received, 0U);
  EXPECT_EQ(failure->limit, -1);
}

// The number stands for the text only where the failure tells the errno.
TEST(ClassifyFailureTest, NumbersAMessageWhereTheErrnoIsOfTheFailure) {
  Attempt attempt{.message = "connect() failed (111: Connection refused)",
                  .rc = 502};
  EXPECT_NE(Classify(attempt)->line, 0);
  // What the upstream said itself has no errno.
  attempt.header_done = true;
  attempt.received_status = 502;
  const std::optional<Failure> failure = Classify(attempt);
  ASSERT_TRUE(failure.has_value());
  ASSERT_EQ(failure->cause, Cause::kErrorStatus);
  EXPECT_EQ(failure->errno_number, 0);
  EXPECT_EQ(failure->line, 0);
}

TEST(ClassifyFailureTest, NumbersNoOtherMessage) {
  for (const absl::string_view message :
       {"connect() failed (111: Connection refused) ",
        "connect() failed (111: connection refused)",
        "connect() to unix:/x failed (111: Connection refused)",
        "a line of another module"}) {
    const std::optional<Failure> failure =
        Classify({.message = message, .rc = 502});
    ASSERT_TRUE(failure.has_value()) << message;
    EXPECT_EQ(failure->line, 0) << message;
  }
}

// An errno as large as nobody has is no reason to wrap around.
TEST(ClassifyFailureTest, KeepsAHugeErrnoPositive) {
  const std::optional<Failure> failure =
      Classify({.message = "connect() failed (99999999: x)", .rc = 502});
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->errno_number, INT16_MAX);
  EXPECT_EQ(failure->line, 0);
}

TEST(Rfc9209ErrorTest, IsTheTablesOrANearerOne) {
  EXPECT_EQ(Rfc9209Error(Cause::kReadTimeout, kTimedOut, false),
            "connection_read_timeout");
  EXPECT_EQ(Rfc9209Error(Cause::kErrorStatus, "", false), "");
  EXPECT_EQ(
      Rfc9209Error(Cause::kTlsProtocolError,
                   "SSL_read() failed (SSL: x:SSL alert number 116)", false),
      "tls_alert_received");
  EXPECT_EQ(Rfc9209Error(Cause::kTlsProtocolError,
                         "SSL_do_handshake() failed (SSL: x)", false),
            "tls_protocol_error");
  EXPECT_EQ(Rfc9209Error(Cause::kPermissionDenied, "", false),
            "destination_ip_prohibited");
  EXPECT_EQ(Rfc9209Error(Cause::kPermissionDenied, "", true),
            "proxy_configuration_error");
  EXPECT_EQ(
      Rfc9209Error(Cause::kInternalError, "no port in upstream \"x\"", false),
      "proxy_configuration_error");
  EXPECT_EQ(Rfc9209Error(Cause::kInternalError, "malloc(1) failed", false),
            "proxy_internal_error");
}

TEST(Rfc9209ErrorTest, TellsTheAlertOfTheUpstream) {
  const auto error = [](absl::string_view message) {
    return Rfc9209Error(Cause::kTlsProtocolError, message, false);
  };
  EXPECT_EQ(error("SSL_do_handshake() failed (SSL: error:1:SSL "
                  "routines::x:SSL alert number 40)"),
            "tls_alert_received");
  EXPECT_EQ(error("SSL_do_handshake() failed (SSL: error:1:SSL routines::x)"),
            "tls_protocol_error");
  EXPECT_EQ(error("SSL_do_handshake() failed (SSL: x:SSL alert number 256)"),
            "tls_protocol_error");
  // What the upstream says itself is no alert.
  EXPECT_EQ(error("upstream sent invalid header: \"SSL alert number 40\""),
            "tls_protocol_error");
  EXPECT_EQ(Rfc9209Error(Cause::kHeaderInvalid, "SSL_x \"SSL alert number 40\"",
                         false),
            Info(Cause::kHeaderInvalid).rfc9209);
}

}  // namespace
}  // namespace upstream_502
