// What a status means for an attempt: the upstream's, nginx's, the client's.

#include <initializer_list>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

constexpr absl::string_view kReset =
    "recv() failed (104: Connection reset by peer)";

// Cause and phase in one word, "-" for an attempt that did not fail.
std::string Judge(const Attempt& attempt) {
  const std::optional<Failure> failure = Classify(attempt);
  return failure ? absl::StrCat(CauseName(failure->cause), " ",
                                PhaseName(failure->phase))
                 : "-";
}

TEST(ClassifyStatusTest, RetriedAttemptsWithoutALineHadAnErrorStatus) {
  for (const uint16_t status :
       std::initializer_list<uint16_t>{403, 404, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(Judge({.ending = Ending::kRetried,
                     .connected = true,
                     .request_sent = true,
                     .header_done = true,
                     .status = status,
                     .received_status = status}),
              "error_status header")
        << status;
  }
  // Even where the response was gone by the time it was looked at.
  EXPECT_EQ(Judge({.ending = Ending::kRetried, .status = 503}),
            "error_status header");
  // Noise does not hide it.
  EXPECT_EQ(Judge({.message = "FastCGI sent in stderr: \"PHP Warning\"",
                   .ending = Ending::kRetried,
                   .request_sent = true,
                   .header_done = true,
                   .status = 503,
                   .received_status = 503}),
            "error_status header");
}

TEST(ClassifyStatusTest, RetriedAttemptsWithALineFailedByIt) {
  EXPECT_EQ(Judge({.message = kReset,
                   .ending = Ending::kRetried,
                   .request_sent = true,
                   .status = 502}),
            "reset_before_response header");
  // The upstream began with a 404, then its header went wrong.
  EXPECT_EQ(Judge({.message = "upstream sent too big header",
                   .ending = Ending::kRetried,
                   .request_sent = true,
                   .status = 502,
                   .received_status = 404,
                   .bytes_received = 4096}),
            "header_too_big header");
}

TEST(ClassifyStatusTest, AGatewayStatusOfTheUpstreamIsItsOwnWord) {
  for (const uint16_t status : std::initializer_list<uint16_t>{502, 504}) {
    Attempt a = {.connected = true,
                 .request_sent = true,
                 .header_done = true,
                 .status = status,
                 .received_status = status,
                 .bytes_received = 99};
    a.rc = 0;  // passed on
    EXPECT_EQ(Judge(a), "error_status header");
    a.rc = status;  // intercepted
    EXPECT_EQ(Judge(a), "error_status header");
    a.rc = -1;  // the client went away amid the body
    EXPECT_EQ(Judge(a), "error_status header");
    a.rc = 502;  // its body broke off, too
    a.message = "upstream prematurely closed connection";
    EXPECT_EQ(Judge(a), "error_status header");
  }
  // Stale content for a 502 of the upstream: the headers are the cache's now.
  EXPECT_EQ(Judge({.request_sent = true,
                   .header_done = true,
                   .status = 502,
                   .received_status = 200}),
            "error_status header");
}

TEST(ClassifyStatusTest, AnInvalidHeaderAfterAGatewayStatusLineIsInvalid) {
  EXPECT_EQ(Judge({.message = "upstream sent invalid header: \"x\\x00...\"",
                   .request_sent = true,
                   .status = 502,
                   .received_status = 502,
                   .bytes_received = 50,
                   .rc = 502}),
            "header_invalid header");
}

TEST(ClassifyStatusTest, OtherStatusesOfTheUpstreamAreNoFailure) {
  for (const uint16_t status :
       std::initializer_list<uint16_t>{200, 304, 403, 404, 429, 500, 503}) {
    Attempt a = {.connected = true,
                 .request_sent = true,
                 .header_done = true,
                 .status = status,
                 .received_status = status};
    EXPECT_EQ(Judge(a), "-") << status;
    a.rc = status;  // intercepted
    EXPECT_EQ(Judge(a), "-") << status;
  }
}

TEST(ClassifyStatusTest, TheClientsDoingIsNoFailure) {
  for (const int rc : {400, 408, 413, 499}) {
    EXPECT_EQ(Judge({.request_sent = true, .rc = rc}), "-") << rc;
    EXPECT_EQ(Judge({.message = kReset, .request_sent = true, .rc = rc}), "-")
        << rc;
    EXPECT_EQ(Judge({.request_sent = true,
                     .header_done = true,
                     .status = 200,
                     .received_status = 200,
                     .rc = rc}),
              "-")
        << rc;
  }
  EXPECT_EQ(Judge({.request_sent = true,
                   .header_done = true,
                   .status = 200,
                   .received_status = 200,
                   .rc = -1}),
            "-");
  EXPECT_EQ(Judge({.message = "client timed out (110: Connection timed out)",
                   .request_sent = true,
                   .header_done = true,
                   .status = 200,
                   .received_status = 200,
                   .rc = -1}),
            "-");
}

// A client that goes takes the subrequests at work with it, a mirror say.
TEST(ClassifyStatusTest, WhatIsTornDownHasNotFailed) {
  for (const uint16_t status : std::initializer_list<uint16_t>{0, 502, 504}) {
    Attempt a = {.connected = true,
                 .request_sent = true,
                 .status = status,  // of a header that was yet to end
                 .bytes_received = 57,
                 .rc = -4};
    EXPECT_EQ(Judge(a), "-") << status;
    a.header_done = true;
    a.received_status = status;
    EXPECT_EQ(Judge(a), status == 0 ? "-" : "error_status header");
  }
  EXPECT_EQ(Judge({.message = kReset, .request_sent = true, .rc = -4}),
            "reset_before_response header");
}

TEST(ClassifyStatusTest, WebSocketsThatEndAreNoFailure) {
  EXPECT_EQ(Judge({.request_sent = true,
                   .header_done = true,
                   .upgraded = true,
                   .status = 101,
                   .received_status = 101}),
            "-");
  // But for one that the upstream reset,
  EXPECT_EQ(Judge({.message = kReset,
                   .request_sent = true,
                   .header_done = true,
                   .upgraded = true,
                   .status = 101,
                   .received_status = 101}),
            "body_incomplete body");
  // and one that was silent for too long, which logs nothing.
  EXPECT_EQ(Judge({.request_sent = true,
                   .header_done = true,
                   .upgraded = true,
                   .status = 101,
                   .received_status = 101,
                   .rc = 504}),
            "body_timeout body");
}

TEST(ClassifyStatusTest, StaleContentDoesNotUndoAFailure) {
  EXPECT_EQ(Judge({.message = kReset,
                   .request_sent = true,
                   .status = 502,
                   .received_status = 200}),
            "reset_before_response header");
  EXPECT_EQ(Judge({.message = kReset,
                   .request_sent = true,
                   .status = 502,
                   .received_status = 502}),
            "reset_before_response header");
  // Nor where the stale content could not be sent either.
  EXPECT_EQ(
      Judge(
          {.message = kReset, .request_sent = true, .status = 502, .rc = 500}),
      "reset_before_response header");
}

// nginx passes it on as HTTP/0.9, whatever the run ends with: the server may
// have reset the connection, the client may have left.
TEST(ClassifyStatusTest, AnAnswerThatIsNoHttpHasFailed) {
  for (const int rc : {0, -1, 499, 502}) {
    EXPECT_EQ(Judge({.message = "upstream sent no valid HTTP/1.0 header",
                     .connected = true,
                     .request_sent = true,
                     .status = 200,
                     .bytes_received = 9,
                     .rc = rc}),
              "header_invalid header")
        << rc;
    // With a cache there is no line.
    EXPECT_EQ(Judge({.connected = true,
                     .request_sent = true,
                     .header_done = true,
                     .not_http = true,
                     .rc = rc}),
              "header_invalid header")
        << rc;
  }
}

TEST(ClassifyStatusTest, ASliceThatDoesNotFitHasFailed) {
  Attempt slice = {.connected = true,
                   .request_sent = true,
                   .header_done = true,
                   .status = 401,
                   .received_status = 401,
                   .rc = -1};
  slice.message = "unexpected status code 401 in slice response";
  EXPECT_EQ(Judge(slice), "error_status header");
  slice.message = "etag mismatch in slice response";
  EXPECT_EQ(Judge(slice), "header_invalid header");
}

TEST(ClassifyStatusTest, AnAnswerThatAuthRequestCannotUseIsNoFaultOfItsOwn) {
  EXPECT_EQ(Judge({.message = "auth request unexpected status: 302",
                   .connected = true,
                   .request_sent = true,
                   .header_done = true,
                   .status = 302,
                   .received_status = 302}),
            "internal_error header");
}

}  // namespace
}  // namespace upstream_502
