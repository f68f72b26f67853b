// What a backend does shows as one of several lines in nginx's log: chance
// decides which event nginx handles first. All of them have to lead to one
// cause.

#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

using enum Cause;

constexpr absl::string_view kEof = "upstream prematurely closed connection";
constexpr absl::string_view kConnectReset =
    "connect() failed (104: Connection reset by peer)";
constexpr absl::string_view kConnectPipe = "connect() failed (32: Broken pipe)";
constexpr absl::string_view kReadReset =
    "recv() failed (104: Connection reset by peer)";
constexpr absl::string_view kWriteReset =
    "writev() failed (104: Connection reset by peer)";
constexpr absl::string_view kWritePipe = "writev() failed (32: Broken pipe)";
constexpr absl::string_view kTlsClosedLine =
    "peer closed connection in SSL handshake";
constexpr absl::string_view kTlsReset =
    "peer closed connection in SSL handshake (104: Connection reset by peer)";
constexpr absl::string_view kTlsWritePipe =
    "SSL_write() failed (SSL:) (32: Broken pipe)";

constexpr Attempt kFresh = {.status = 502, .rc = 502};
constexpr Attempt kSent = {
    .connected = true, .request_sent = true, .status = 502, .rc = 502};
constexpr Attempt kSending = {.connected = true,
                              .request_sent = true,
                              .sending = true,
                              .status = 502,
                              .rc = 502};
constexpr Attempt kInHeader = {.connected = true,
                               .request_sent = true,
                               .status = 502,
                               .bytes_received = 20,
                               .rc = 502};
constexpr Attempt kInHeaderSending = {.connected = true,
                                      .request_sent = true,
                                      .sending = true,
                                      .status = 502,
                                      .bytes_received = 20,
                                      .rc = 502};
constexpr Attempt kInBody = {.connected = true,
                             .request_sent = true,
                             .header_done = true,
                             .status = 200,
                             .received_status = 200,
                             .bytes_received = 90,
                             .rc = 502};

constexpr Attempt OverTls(Attempt attempt, bool handshaked) {
  attempt.tls = true;
  attempt.tls_started = handshaked || attempt.connected;
  attempt.tls_handshaked = handshaked;
  return attempt;
}

constexpr Attempt Reused(Attempt attempt) {
  attempt.reused = true;
  return attempt;
}

constexpr Attempt Handshaking() {
  Attempt attempt = OverTls(kFresh, false);
  attempt.tls_started = true;
  return attempt;
}

struct Shows {
  absl::string_view message;
  Attempt state;
};

void ExpectCause(const std::vector<Shows>& lines, Cause cause) {
  for (const Shows& line : lines) {
    Attempt attempt = line.state;
    attempt.message = line.message;
    const std::optional<Failure> failure = Classify(attempt);
    ASSERT_TRUE(failure.has_value()) << line.message;
    EXPECT_EQ(CauseName(failure->cause), CauseName(cause)) << line.message;
  }
}

TEST(ClassifyRacesTest, ResetAtOnce) {
  ExpectCause(
      {{kReadReset, kSent}, {kConnectReset, kFresh}, {kConnectPipe, kFresh}},
      kResetBeforeResponse);
}

TEST(ClassifyRacesTest, ClosedAtOnce) {
  ExpectCause({{kEof, kSent}, {kEof, kFresh}}, kClosedBeforeResponse);
}

TEST(ClassifyRacesTest, TlsPortClosesOrResetsAtOnce) {
  ExpectCause({{kTlsReset, Handshaking()},
               {kTlsClosedLine, Handshaking()},
               {kEof, OverTls(kFresh, false)},
               {kConnectReset, OverTls(kFresh, false)},
               {kConnectPipe, OverTls(kFresh, false)}},
              kTlsClosed);
}

// OpenSSL hides which it was.
TEST(ClassifyRacesTest, ClosedOrResetBehindTheHandshake) {
  ExpectCause({{kEof, OverTls(kSent, true)},
               {kReadReset, OverTls(kSent, true)},
               {kConnectReset, OverTls(kFresh, true)},
               {"SSL_read() failed (SSL: error:0A000126:SSL routines::"
                "unexpected eof while reading)",
                OverTls(kSent, true)}},
              kClosedBeforeResponse);
}

TEST(ClassifyRacesTest, LostWhileTheRequestIsSent) {
  ExpectCause({{kWriteReset, kSending},
               {kWritePipe, kSending},
               {kWritePipe, kSent},
               {"sendfile() failed (32: Broken pipe)", kSending},
               {kReadReset, kSending},
               {kEof, kSending},
               {kTlsWritePipe, OverTls(kSending, true)},
               {kEof, OverTls(kSending, true)}},
              kSendReset);
}

TEST(ClassifyRacesTest, LostOnReuse) {
  ExpectCause({{kEof, Reused(kSent)},
               {kEof, Reused(kFresh)},
               {kReadReset, Reused(kSent)},
               {kReadReset, Reused(kSending)},
               {kWriteReset, Reused(kSending)},
               {kWritePipe, Reused(kSent)},
               {kConnectReset, Reused(kFresh)},
               {kConnectPipe, Reused(kFresh)},
               {kEof, Reused(OverTls(kSent, true))},
               {kConnectReset, Reused(OverTls(kFresh, true))},
               {kTlsWritePipe, Reused(OverTls(kSent, true))}},
              kKeepaliveRace);
}

TEST(ClassifyRacesTest, LostInsideTheHeader) {
  ExpectCause({{kEof, kInHeader},
               {kReadReset, kInHeader},
               {kReadReset, kInHeaderSending},
               {kWritePipe, kInHeaderSending},
               {kEof, Reused(kInHeader)},
               {kReadReset, Reused(kInHeader)},
               {kEof, OverTls(kInHeader, true)},
               {kTlsWritePipe, OverTls(kInHeaderSending, true)}},
              kHeaderIncomplete);
}

TEST(ClassifyRacesTest, LostInsideTheBody) {
  ExpectCause({{kEof, kInBody},
               {kReadReset, kInBody},
               {"readv() failed (104: Connection reset by peer)", kInBody},
               {kWritePipe, kInBody},
               {kEof, OverTls(kInBody, true)},
               {kTlsWritePipe, OverTls(kInBody, true)}},
              kBodyIncomplete);
}

// Nobody can tell: the alert is read only if it is there before the reset.
TEST(ClassifyRacesTest, AnAlertThatAResetOvertakes) {
  ExpectCause({{"SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 "
                "alert certificate required:SSL alert number 116)",
                OverTls(kSent, true)}},
              kTlsProtocolError);
  ExpectCause({{kConnectReset, OverTls(kFresh, true)}}, kClosedBeforeResponse);
}

}  // namespace
}  // namespace upstream_502
