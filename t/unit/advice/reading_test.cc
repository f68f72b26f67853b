#include "upstream_502/advice/reading.h"

#include <cerrno>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Reading, TellsTlsFailuresApartByMessageAndAlert) {
  const struct {
    absl::string_view message;
    Reading reading;
  } kCases[] = {
      {"SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong "
       "version number)",
       Reading::kTlsPlainPort},
      {"upstream prematurely sent response", Reading::kTlsPlainPort},
      {"SSL_do_handshake() failed (SSL: error:0A00042E:SSL routines::tlsv1 "
       "alert protocol version:SSL alert number 70)",
       Reading::kTlsVersion},
      {"SSL_do_handshake() failed (SSL: error:0A000102:SSL "
       "routines::unsupported protocol)",
       Reading::kTlsVersionHere},
      {"SSL_do_handshake() failed (SSL: error:0A00018A:SSL routines::dh key "
       "too small)",
       Reading::kTlsWeakHere},
      {"SSL_do_handshake() failed (SSL: error:0A000152:SSL routines::unsafe "
       "legacy renegotiation disabled)",
       Reading::kTlsRenegotiation},
      {"SSL_do_handshake() failed (SSL: error:0A000458:SSL routines::tlsv1 "
       "unrecognized name:SSL alert number 112)",
       Reading::kTlsServerName},
      {"SSL_do_handshake() failed (SSL: error:0A000410:SSL routines::sslv3 "
       "alert handshake failure:SSL alert number 40)",
       Reading::kTlsNoAgreement},
      {"SSL_read() failed (SSL: error:0A00045C:SSL routines::tlsv13 alert "
       "certificate required:SSL alert number 116)",
       Reading::kTlsClientWanted},
      {"SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 "
       "alert unknown ca:SSL alert number 48)",
       Reading::kTlsClientRefused},
      {"SSL_do_handshake() failed (SSL: error:0A000126:SSL "
       "routines::unexpected eof while reading)",
       Reading::kNone},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(
        ReadingOf({.cause = Cause::kTlsProtocolError}, {.message = c.message}),
        c.reading)
        << c.message;
  }
}

TEST(Reading, TellsCertificatesApart) {
  const struct {
    absl::string_view message;
    Reading reading;
  } kCases[] = {
      {"upstream SSL certificate verify error: (10:certificate has expired)",
       Reading::kCertificateDates},
      {"upstream SSL certificate verify error: (9:certificate is not yet "
       "valid)",
       Reading::kCertificateDates},
      {"upstream SSL certificate verify error: (18:self-signed certificate)",
       Reading::kCertificateIssuer},
      {"upstream SSL certificate verify error: (20:unable to get local issuer "
       "certificate)",
       Reading::kCertificateIssuer},
      {"upstream SSL certificate verify error: (22:certificate chain too long)",
       Reading::kCertificateChain},
      {"upstream SSL certificate does not match \"app\"",
       Reading::kCertificateName},
      {"SSL_do_handshake() failed (SSL: error:0A00018F:SSL routines::ee key "
       "too small)",
       Reading::kCertificateWeak},
      {"upstream SSL certificate verify error: (68:CA signature digest "
       "algorithm too weak)",
       Reading::kCertificateWeak},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ReadingOf({.cause = Cause::kTlsCertificateInvalid},
                        {.message = c.message}),
              c.reading)
        << c.message;
  }
}

// Not each is another protocol.
TEST(Reading, TellsAServersOwnRefusalFromAnotherProtocol) {
  const struct {
    absl::string_view message;
    Reading reading;
  } kCases[] = {
      {"upstream rejected request with error 7", Reading::kStreamRefused},
      {"upstream sent goaway with error 11", Reading::kStreamRefused},
      {"upstream sent invalid http2 table index: 64", Reading::kHpack},
      {"upstream sent invalid http2 dynamic table size update: 4096",
       Reading::kHpack},
      {"memcached sent invalid response: \"CLIENT_ERROR\"",
       Reading::kCommandRefused},
      {"memcached sent invalid response: \"SERVER_ERROR out of memory\"",
       Reading::kServerRefused},
      {"upstream sent unsupported FastCGI protocol version: 72",
       Reading::kHttpPort},
      {"upstream sent too large http2 frame: 4740180", Reading::kHttpPort},
      {"upstream sent unexpected http2 frame: 0", Reading::kNone},
      {"memcached sent invalid response: \"HTTP/1.1 400\"", Reading::kNone},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(
        ReadingOf({.cause = Cause::kProtocolError}, {.message = c.message}),
        c.reading)
        << c.message;
  }
}

TEST(Reading, TellsAddressesThatTheKernelRefuses) {
  const struct {
    Cause cause;
    int16_t errno_number;
    absl::string_view peer;
    Reading reading;
  } kCases[] = {
      {Cause::kConnectionFailed, EINVAL, "192.0.2.7:80", Reading::kBlackhole},
      {Cause::kConnectionFailed, EINVAL, "[2001:db8::7]:80",
       Reading::kBlackhole},
      {Cause::kConnectionFailed, EINVAL, "[fe80::1]:80", Reading::kLinkLocal},
      {Cause::kConnectionFailed, EINVAL, "", Reading::kNone},
      {Cause::kConnectionFailed, EPROTOTYPE, "unix:/run/app.sock",
       Reading::kSocketType},
      {Cause::kConnectionUnreachable, ENETUNREACH, "192.0.2.7:80",
       Reading::kNoNetwork},
      {Cause::kConnectionUnreachable, EHOSTUNREACH, "192.0.2.7:80",
       Reading::kNone},
      {Cause::kPermissionDenied, EACCES, "192.0.2.7:80",
       Reading::kRouteForbids},
      {Cause::kPermissionDenied, EPERM, "192.0.2.7:80", Reading::kNone},
      {Cause::kPermissionDenied, EACCES, "unix:/run/app.sock",
       Reading::kUnixForbidden},
      {Cause::kConnectionRefused, ECONNREFUSED, "unix:/run/app.sock",
       Reading::kUnixLeftBehind},
      {Cause::kConnectionRefused, ECONNREFUSED, "127.0.0.1:80", Reading::kNone},
      {Cause::kLocalExhausted, EADDRNOTAVAIL, "[::1]:80", Reading::kNoIpv6},
      {Cause::kLocalExhausted, EADDRNOTAVAIL, "127.0.0.1:80", Reading::kNoPort},
      {Cause::kLocalExhausted, EMFILE, "[::1]:80", Reading::kNone},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ReadingOf({.cause = c.cause, .errno_number = c.errno_number},
                        {.peer = c.peer}),
              c.reading)
        << c.peer << " " << c.errno_number;
  }
}

// As where the kernel was started with ipv6.disable=1.
TEST(Reading, KnowsASocketThatTheKernelDoesNotMake) {
  Failure failure = {.cause = Cause::kInternalError,
                     .errno_number = EAFNOSUPPORT};
  constexpr absl::string_view kMessage =
      "socket() failed (97: Address family not supported by protocol)";
  const auto read = [&failure](absl::string_view peer, absl::string_view said) {
    return ReadingOf(failure, {.peer = peer, .message = said});
  };
  EXPECT_EQ(read("[::1]:80", kMessage), Reading::kNoIpv6);
  EXPECT_EQ(read("127.0.0.1:80", kMessage), Reading::kNone);
  EXPECT_EQ(read("[::1]:80", "bind(127.0.0.1) failed (97: ...)"),
            Reading::kNone);
}

TEST(Reading, KnowsAnInterimResponse) {
  for (const Cause cause : {Cause::kBodyTimeout, Cause::kBodyIncomplete}) {
    Failure failure = {.cause = cause};
    for (const int status : {100, 102, 103, 199}) {
      failure.received_status = static_cast<uint16_t>(status);
      EXPECT_EQ(ReadingOf(failure, {}), Reading::kInterim) << status;
    }
    for (const int status : {0, 99, 101, 200}) {
      failure.received_status = static_cast<uint16_t>(status);
      EXPECT_NE(ReadingOf(failure, {}), Reading::kInterim) << status;
    }
  }
  const Failure invalid = {.cause = Cause::kHeaderInvalid};
  EXPECT_EQ(ReadingOf(invalid, {.message = "upstream sent unexpected :status "
                                           "\"103\""}),
            Reading::kInterim);
}

TEST(Reading, KnowsAnApplicationThatEndedWithoutOutput) {
  const Failure failure = {.cause = Cause::kProtocolError};
  for (const absl::string_view message :
       {"upstream prematurely closed FastCGI stdout",
        "upstream sent unexpected FastCGI record: 3"}) {
    EXPECT_EQ(ReadingOf(failure, {.message = message}), Reading::kNoOutput);
  }
  EXPECT_EQ(ReadingOf(failure, {.message = "upstream sent unexpected FastCGI "
                                           "record: 5"}),
            Reading::kNone);
}

TEST(Reading, KnowsAnIdleConnectionAfterTheSwitch) {
  Failure failure = {.cause = Cause::kBodyTimeout, .received_status = 101};
  EXPECT_EQ(ReadingOf(failure, {}), Reading::kUpgraded);
  failure.received_status = 200;
  EXPECT_EQ(ReadingOf(failure, {}), Reading::kNone);
}

TEST(Reading, KnowsAnswersOfNoUse) {
  const struct {
    Cause cause;
    absl::string_view message;
    Reading reading;
  } kCases[] = {
      {Cause::kHeaderInvalid, "upstream sent no valid HTTP/1.0 header",
       Reading::kNotHttp},
      {Cause::kHeaderInvalid, "", Reading::kNotHttp},  // where a cache is
      {Cause::kHeaderInvalid, "etag mismatch in slice response",
       Reading::kSliceMisfit},
      {Cause::kErrorStatus, "unexpected status code 401 in slice response",
       Reading::kSliceStatus},
      {Cause::kErrorStatus, "missing slice response", Reading::kSliceMissing},
      {Cause::kErrorStatus, "", Reading::kNone},
      {Cause::kBodyIncomplete, "inflate() failed: 2, -3", Reading::kCoding},
      {Cause::kInternalError, "auth request unexpected status: 302",
       Reading::kAuthStatus},
      {Cause::kInternalError, "too big subrequest response: 100",
       Reading::kKeptWhole},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ReadingOf({.cause = c.cause}, {.message = c.message}), c.reading)
        << c.message;
  }
}

TEST(Reading, KnowsASilentEventStream) {
  const Failure failure = {
      .cause = Cause::kBodyTimeout, .event_stream = 1, .received_status = 200};
  EXPECT_EQ(ReadingOf(failure, {}), Reading::kEventStream);
}

TEST(Reading, SuspectsALargeHeaderWhereThereIsOne) {
  Failure failure = {.cause = Cause::kClosedBeforeResponse,
                     .protocol = Protocol::kUwsgi,
                     .bytes_sent = 5000};
  EXPECT_EQ(ReadingOf(failure, {.method = "GET"}), Reading::kLargeHeader);
  EXPECT_EQ(ReadingOf(failure, {.method = "POST"}), Reading::kNone);
  failure.protocol = Protocol::kHttp;
  EXPECT_EQ(ReadingOf(failure, {.method = "GET"}), Reading::kNone);
  failure.bytes_sent = 20000;
  EXPECT_EQ(ReadingOf(failure, {.method = "GET"}), Reading::kLargeHeader);
}

TEST(Reading, ReadsTemporaryFilesAndChunks) {
  EXPECT_EQ(ReadingOf({.cause = Cause::kInternalError},
                      {.message =
                           "pwrite() \"/var/lib/nginx/proxy/1\" failed (28: No "
                           "space left on device)"}),
            Reading::kTemporaryFile);
  EXPECT_EQ(ReadingOf({.cause = Cause::kInternalError},
                      {.message = "no port in upstream \"x\""}),
            Reading::kNone);
  EXPECT_EQ(ReadingOf({.cause = Cause::kBodyIncomplete},
                      {.message = "upstream sent invalid chunked response"}),
            Reading::kChunks);
}

TEST(Reading, EachHasWordsOfItsOwn) {
  std::set<std::string> hints;
  for (size_t i = 1; i < kReadingCount; ++i) {
    const std::string hint(ReadingHint(static_cast<Reading>(i)));
    EXPECT_FALSE(hint.empty()) << i;
    EXPECT_TRUE(hints.insert(hint).second) << hint;
  }
  EXPECT_EQ(ReadingHint(Reading::kNone), "");
  EXPECT_EQ(ReadingHint(static_cast<Reading>(255)), "");
}

}  // namespace
}  // namespace upstream_502
