// The lines of gRPC and of HTTP/2 to the upstream. Their helpers serve the
// header and the body alike, so every line is tried in both.

#include <optional>

#include "gtest/gtest.h"
#include "upstream_502/verdict/classify.h"

namespace upstream_502 {
namespace {

using enum Cause;

constexpr Attempt kInHeader = {.connected = true,
                               .request_sent = true,
                               .status = 502,
                               .bytes_received = 20,
                               .rc = 502};
constexpr Attempt kBodyAborted = {.connected = true,
                                  .request_sent = true,
                                  .header_done = true,
                                  .status = 200,
                                  .received_status = 200,
                                  .bytes_received = 90,
                                  .rc = -1};

struct Http2Line {
  absl::string_view message;
  Cause in_header = kProtocolError;
  Cause in_body = kProtocolError;
};

constexpr Http2Line kHttp2Lines[] = {
    {"upstream sent unexpected http2 frame: 0"},
    {"upstream sent frame for unknown stream 3"},
    {"upstream rejected request with error 7", kProtocolError, kBodyIncomplete},
    {"upstream sent goaway with error 11", kProtocolError, kBodyIncomplete},
    {"upstream sent unexpected push promise frame"},
    {"upstream sent invalid header \":x: y\"", kHeaderInvalid},
    {"upstream sent duplicate :status header", kHeaderInvalid},
    {"upstream sent invalid :status \"2\"", kHeaderInvalid},
    {"upstream sent unexpected :status \"100\"", kHeaderInvalid},
    {"upstream sent no :status header", kHeaderInvalid},
    {"upstream prematurely closed stream", kHeaderIncomplete, kBodyIncomplete},
    {"upstream sent invalid header", kHeaderInvalid},
    {"upstream sent data frame for unknown stream 3"},
    {"upstream violated stream flow control, received 9 data frame with window "
     "0"},
    {"upstream violated connection flow control, received 9 data frame with "
     "window 0"},
    {"upstream sent frame for closed stream 1"},
    {"upstream sent invalid trailer \":status: 200\""},
    {"upstream sent trailer without end stream flag"},
    {"upstream sent invalid trailer"},
    {"upstream sent too short http2 frame"},
    {"upstream sent http2 frame with too long padding: 9 in frame 3"},
    {"upstream sent response body larger than indicated content length"},
    {"upstream sent too large http2 frame: 4740180"},
    {"upstream sent headers frame with invalid length: 3"},
    {"upstream sent truncated http2 header"},
    {"upstream sent invalid http2 table index: 99"},
    {"upstream sent invalid http2 dynamic table size update: 99"},
    {"upstream sent http2 table index with continuation flag"},
    {"upstream sent zero http2 header name length"},
    {"upstream sent too large http2 header name length", kHeaderTooBig},
    {"upstream sent too large http2 header name length: 9999", kHeaderTooBig},
    {"upstream sent invalid encoded header"},
    {"upstream sent too large http2 header value length", kHeaderTooBig},
    {"upstream sent too large http2 header value length: 9999", kHeaderTooBig},
    {"upstream sent invalid header: \"A: b\"", kHeaderInvalid},
    {"upstream sent too large http2 header", kHeaderTooBig},
    {"upstream sent rst stream frame with invalid length: 3"},
    {"upstream sent goaway frame with non-zero stream id: 1"},
    {"upstream sent goaway frame with invalid length: 3"},
    {"upstream sent window update frame with invalid length: 3"},
    {"upstream sent zero window update"},
    {"upstream sent too large window update"},
    {"upstream sent settings frame with non-zero stream id: 1"},
    {"upstream sent settings frame with ack flag and non-zero length: 6"},
    {"upstream sent settings frame with invalid length: 5"},
    {"upstream sent too many settings frames"},
    {"upstream sent settings frame with too large initial window size: 9"},
    {"upstream sent ping frame with non-zero stream id: 1"},
    {"upstream sent ping frame with invalid length: 3"},
    {"upstream sent ping frame with ack flag"},
    {"upstream sent too many ping frames"},
};

TEST(ClassifyHttp2Test, EveryLineHasItsCauseInBothPhases) {
  for (const Http2Line& line : kHttp2Lines) {
    EXPECT_TRUE(TellsFailure(RecognizeLine(line.message)));

    Attempt header = kInHeader;
    header.protocol = Protocol::kGrpc;
    header.message = line.message;
    const std::optional<Failure> in_header = Classify(header);
    ASSERT_TRUE(in_header.has_value()) << line.message;
    EXPECT_EQ(CauseName(in_header->cause), CauseName(line.in_header))
        << line.message;
    EXPECT_EQ(in_header->phase, Phase::kHeader);
    EXPECT_EQ(in_header->errno_number, 0);

    Attempt body = kBodyAborted;
    body.protocol = Protocol::kGrpc;
    body.message = line.message;
    const std::optional<Failure> in_body = Classify(body);
    ASSERT_TRUE(in_body.has_value()) << line.message;
    EXPECT_EQ(CauseName(in_body->cause), CauseName(line.in_body))
        << line.message;
    EXPECT_EQ(in_body->phase, Phase::kBody);
  }
}

}  // namespace
}  // namespace upstream_502
