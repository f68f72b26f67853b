#include "upstream_502/verdict/line.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(RecognizeLineTest, LinesThatLookLikeFailuresAreHarmless) {
  for (const absl::string_view message : {
           "FastCGI sent in stderr: \"recv() failed (104: x)\"",
           "upstream sent duplicate header line: \"Date: a\", previous value: "
           "\"Date: b\", ignored",
           "upstream sent more data than specified in \"Content-Length\" "
           "header",
           "upstream sent data after final chunk",
           "upstream sent data after trailers",
           "upstream sent too big early hints",
           "upstream server temporarily disabled",
           "memcached sent invalid trailer",
           "ignoring stale global SSL error",
           "SSL_shutdown() failed (SSL: error:0A000123:SSL routines::x)",
           "setsockopt(SO_RCVBUF, 9) failed, ignored (22: Invalid argument)",
           "setsockopt(SO_KEEPALIVE) failed, ignored (22: Invalid argument)",
           "close() socket failed (9: Bad file descriptor)",
           "invalid local address \"x\"",
           "cache file \"/x\" contains invalid header",
           "client prematurely closed connection",
           "client intended to send too large chunked body: 9+9 bytes",
           "epoll_wait() reported that client prematurely closed connection, "
           "so upstream connection is closed too (104: Connection reset by "
           "peer)",
       }) {
    EXPECT_EQ(RecognizeLine(message).says, Says::kHarmless) << message;
    EXPECT_FALSE(TellsFailure(RecognizeLine(message))) << message;
  }
}

TEST(RecognizeLineTest, OtherLinesAreKeptAtMost) {
  for (const absl::string_view message : {
           "",
           "[lua] entry thread aborted",
           "access forbidden by rule",
           "Connect() failed",
           "worker_connections are not enough",
           "x could not be resolved",
           "x could not be resolved (3)",
           "x could not be resolved (:)",
       }) {
    EXPECT_EQ(RecognizeLine(message).says, Says::kNothing) << message;
    EXPECT_FALSE(TellsFailure(RecognizeLine(message))) << message;
  }
  const Line open = RecognizeLine(
      "open() \"/usr/share/nginx/50x.html\" failed (2: No such file or "
      "directory)");
  EXPECT_EQ(open.says, Says::kOpenFailed);
  EXPECT_FALSE(TellsFailure(open));
}

// Bytes of the upstream follow the fixed text of a line and cannot turn it
// into another.
TEST(RecognizeLineTest, QuotedTextDoesNotDecide) {
  EXPECT_EQ(RecognizeLine("upstream sent duplicate header line: \"X: a\", "
                          "previous value: \"X: \", ignored\"")
                .says,
            Says::kInvalidHeader);
  EXPECT_EQ(RecognizeLine("FastCGI sent in stderr: \"x could not be resolved "
                          "(3: Host not found)")
                .says,
            Says::kHarmless);
}

TEST(ErrnoOfLineTest, IsWhatNginxWrites) {
  const struct {
    absl::string_view message;
    int number;
  } kCases[] = {
      {"connect() failed (111: Connection refused)", 111},
      {"connect() to unix:/a (1: b) failed (2: No such file or directory)", 2},
      {"recv() failed (104: Connection reset by peer)", 104},
      {"upstream timed out (110: Connection timed out)", 110},
      {"peer closed connection in SSL handshake (104: Connection reset by "
       "peer)",
       104},
      {"SSL_write() failed (SSL: error:1) (32: Broken pipe)", 32},
      {"recv() failed (524: Unknown error 524)", 524},
      {"pread() \"/x\" failed (5: Input/output error)", 5},
  };
  for (const auto& c : kCases) {
    const Line line = RecognizeLine(c.message);
    EXPECT_EQ(line.errno_number, c.number) << c.message;
    EXPECT_EQ(line.errno_class, ClassifyErrno(c.number)) << c.message;
  }
}

TEST(ErrnoOfLineTest, IsNeverTextFromOutside) {
  for (const absl::string_view message : {
           "",
           ")",
           " (",
           "no live upstreams",
           "peer closed connection in SSL handshake",
           // As it is when the line was cut within the quotation.
           "upstream sent invalid header: \"x (111: Connection refused)",
           "upstream sent invalid status \"x (111: Connection refused)",
           "FastCGI sent in stderr: \"x (111: Connection refused)",
           "memcached sent invalid response: \"x (111: Connection refused)",
           "no resolver defined to resolve x (111: Connection refused)",
           "x could not be resolved (3: Host not found)",
           "upstream SSL certificate verify error: (20:unable to get issuer)",
           "upstream SSL certificate does not match \"x (111: y)",
           "unheard of (111: Connection refused)",
           "connect() failed (: x)",
           "connect() failed (-5: x)",
           "connect() failed (+5: x)",
           "connect() failed ( 5: x)",
           "connect() failed (5)",
           "connect() failed (5: x) ",
           "connect() failed (99999999999: x)",
           "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::x)",
       }) {
    EXPECT_EQ(RecognizeLine(message).errno_number, 0) << message;
  }
}

// The number stands for the very text only.
TEST(UsualTest, IsOfNoOtherLine) {
  EXPECT_NE(RecognizeLine("connect() failed (111: Connection refused)").usual,
            0);
  EXPECT_NE(RecognizeLine("no live upstreams").usual, 0);
  for (const absl::string_view message : {
           "connect() failed (111: Connection refused) ",
           "connect() failed (111: connection refused)",
           "connect() failed (111: Connection refused",
           "connect() failed (0: Success)",
           "connect() failed (111: Connection timed out)",
           "connect() failed  (111: Connection refused)",
           "connect() to unix:/x failed (111: Connection refused)",
           "no live upstreams (111: Connection refused)",
           "no live upstreamss",
           "no live",
           "a line of another module",
       }) {
    EXPECT_EQ(RecognizeLine(message).usual, 0) << message;
  }
}

TEST(ResolverCodeTest, IsTheNumberAtTheEnd) {
  EXPECT_EQ(ResolverCode("a could not be resolved (3: Host not found)"), 3);
  EXPECT_EQ(ResolverCode("a could not be resolved (2: Server failure)"), 2);
  EXPECT_EQ(ResolverCode("a could not be resolved (110: Operation timed out)"),
            110);
  EXPECT_EQ(ResolverCode("a could not be resolved (3: x) could not be resolved "
                         "(2: Server failure)"),
            2);
  for (const absl::string_view message :
       {"", "no resolver defined to resolve a", "a could not be resolved",
        "a could not be resolved (3)", "could not be resolved (3: x)x",
        "connect() failed (111: Connection refused)",
        "a could not be resolvedd (3: x)"}) {
    EXPECT_EQ(ResolverCode(message), 0) << message;
  }
}

TEST(MissesResolverTest, KnowsItsOneLine) {
  EXPECT_TRUE(MissesResolver("no resolver defined to resolve a"));
  EXPECT_FALSE(MissesResolver("no resolver defined"));
  EXPECT_FALSE(MissesResolver("a could not be resolved (3: Host not found)"));
  EXPECT_FALSE(MissesResolver(""));
}

TEST(AlertNumberTest, IsOpenSslsLastWord) {
  EXPECT_EQ(AlertNumber("SSL_do_handshake() failed (SSL: error:1:SSL "
                        "routines::x:SSL alert number 40)"),
            40);
  EXPECT_EQ(AlertNumber("x:SSL alert number 0"), 0);
  EXPECT_EQ(AlertNumber("x:SSL alert number 255)"), 255);
  EXPECT_EQ(AlertNumber("SSL alert number 1 SSL alert number 2"), 2);
  for (const absl::string_view message :
       {"", "SSL_do_handshake() failed (SSL: error:1:SSL routines::x)",
        "SSL_do_handshake() failed (SSL: x:SSL alert number 256)",
        "SSL alert number 99999999999", "SSL alert number ",
        "SSL alert number -1", "SSL alert number x40"}) {
    EXPECT_EQ(AlertNumber(message), -1) << message;
  }
}

TEST(RecognizeLineTest, LinesOfFiltersAreOfAResponse) {
  for (const absl::string_view message : {
           "upstream sent no valid HTTP/1.0 header",
           "unexpected status code 401 in slice response",
           "etag mismatch in slice response",
           "invalid range in slice response",
           "no complete length in slice response",
           "unexpected range in slice response: 0-9",
           "missing slice response",
           "inflate() failed: 0, -3",
           "too big subrequest response: 100",
       }) {
    EXPECT_TRUE(TellsFailure(RecognizeLine(message))) << message;
    EXPECT_TRUE(IsOfResponse(RecognizeLine(message))) << message;
  }
  for (const absl::string_view message : {
           "upstream sent too big header",
           "no port in upstream \"x\"",
           "auth request unexpected status: 302",
           "unexpected status code 401",
       }) {
    EXPECT_FALSE(IsOfResponse(RecognizeLine(message))) << message;
  }
}

TEST(AuthStatusTest, IsTheNumberAtTheEnd) {
  EXPECT_EQ(AuthStatus("auth request unexpected status: 302"), 302);
  EXPECT_EQ(AuthStatus("auth request unexpected status: 0"), 0);
  EXPECT_EQ(AuthStatus("auth request unexpected status: "), -1);
  EXPECT_EQ(AuthStatus("auth request unexpected status: x"), -1);
  EXPECT_EQ(AuthStatus("unexpected status: 302"), -1);
  EXPECT_EQ(AuthStatus(""), -1);
}

}  // namespace
}  // namespace upstream_502
