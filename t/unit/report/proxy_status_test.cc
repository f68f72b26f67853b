#include "upstream_502/report/proxy_status.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

// Of a failure that nginx answered.
std::string Status(const Failure& failure, const FailureText& text,
                   bool details = false) {
  return ProxyStatus("nginx", &failure, text, Origin::kNginx, details);
}

// The names that RFC 9209 registers, as far as the module tells them.
const std::set<std::string>& Registered() {
  static const auto* names = new std::set<std::string>{
      "dns_timeout",
      "dns_error",
      "destination_not_found",
      "destination_unavailable",
      "destination_ip_prohibited",
      "destination_ip_unroutable",
      "connection_refused",
      "connection_terminated",
      "connection_timeout",
      "connection_read_timeout",
      "connection_write_timeout",
      "connection_limit_reached",
      "tls_protocol_error",
      "tls_certificate_error",
      "tls_alert_received",
      "http_request_error",
      "http_response_incomplete",
      "http_response_header_section_size",
      "http_response_header_size",
      "http_response_body_size",
      "http_response_timeout",
      "http_protocol_error",
      "proxy_internal_response",
      "proxy_internal_error",
      "proxy_configuration_error",
      "proxy_loop_detected",
  };
  return *names;
}

TEST(ProxyStatus, NamesTheErrorOfEveryCause) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    const std::string error(Info(cause).rfc9209);
    if (error.empty()) {
      EXPECT_EQ(Status({.cause = cause}, {}), "nginx") << CauseName(cause);
      continue;
    }
    EXPECT_EQ(Registered().count(error), 1U) << error;
    const std::string status = Status({.cause = cause}, {});
    EXPECT_TRUE(absl::StartsWith(status + ";",
                                 absl::StrCat("nginx; error=", error, ";")))
        << status;
  }
}

TEST(ProxyStatus, NamesTheProxy) {
  const Failure failure = {.cause = Cause::kConnectionRefused};
  EXPECT_EQ(ProxyStatus("edge-1", &failure, {}, Origin::kNginx, false),
            "edge-1; error=connection_refused");
  EXPECT_EQ(ProxyStatus(kProxyName, &failure, {}, Origin::kNginx, false),
            "nginx; error=connection_refused");
  EXPECT_TRUE(IsProxyName(kProxyName));
}

TEST(ProxyStatus, TellsTheResolversAnswer) {
  EXPECT_EQ(Status({.cause = Cause::kDnsError},
                   {.message = "a could not be resolved (3: Host not found)"}),
            "nginx; error=dns_error; rcode=\"3\"");
  EXPECT_EQ(Status({.cause = Cause::kDnsError},
                   {.message = "a could not be resolved (2: Server failure)"}),
            "nginx; error=dns_error; rcode=\"2\"");
  // No answer is no code.
  EXPECT_EQ(
      Status({.cause = Cause::kDnsTimeout},
             {.message = "a could not be resolved (110: Operation timed out)"}),
      "nginx; error=dns_timeout");
}

TEST(ProxyStatus, TellsTheAlert) {
  EXPECT_EQ(Status({.cause = Cause::kTlsProtocolError},
                   {.message = "SSL_do_handshake() failed (SSL: error:1:SSL "
                               "routines::x:SSL alert number 40)"}),
            "nginx; error=tls_alert_received; alert-id=40");
  EXPECT_EQ(Status({.cause = Cause::kTlsProtocolError},
                   {.message = "SSL_do_handshake() failed (SSL: error:1)"}),
            "nginx; error=tls_protocol_error");
}

TEST(ProxyStatus, TellsWhoseFaultASocketsModeIs) {
  EXPECT_EQ(Status({.cause = Cause::kPermissionDenied}, {.peer = "unix:/a"}),
            "nginx; error=proxy_configuration_error");
  EXPECT_EQ(
      Status({.cause = Cause::kPermissionDenied}, {.peer = "192.0.2.7:80"}),
      "nginx; error=destination_ip_prohibited");
}

TEST(ProxyStatus, TellsTheStatusThatWasReceived) {
  EXPECT_EQ(Status({.cause = Cause::kErrorStatus, .received_status = 503}, {}),
            "nginx; received-status=503");
  EXPECT_EQ(
      Status({.cause = Cause::kBodyIncomplete, .received_status = 200}, {}),
      absl::StrCat("nginx; error=", Info(Cause::kBodyIncomplete).rfc9209,
                   "; received-status=200"));
}

TEST(ProxyStatus, TellsDetailsOnlyWhereAsked) {
  const Failure failure = {.cause = Cause::kConnectionRefused};
  const FailureText text = {
      .upstream = "backend",
      .peer = "127.0.0.1:9000",
      .host = "www.example.com",
      .uri = "/secret",
      .message = "connect() failed (111: Connection refused)"};
  EXPECT_EQ(Status(failure, text, false), "nginx; error=connection_refused");
  EXPECT_EQ(Status(failure, text, true),
            "nginx; error=connection_refused; next-hop=\"127.0.0.1:9000\"; "
            "details=\"connect() failed (111: Connection refused)\"");
}

TEST(ProxyStatus, LeavesOutDetailsThatAreNotKnown) {
  const Failure failure = {.cause = Cause::kConnectionRefused};
  EXPECT_EQ(Status(failure, {}, true), "nginx; error=connection_refused");
  EXPECT_EQ(Status(failure, {.peer = "a:1"}, true),
            "nginx; error=connection_refused; next-hop=\"a:1\"");
  EXPECT_EQ(Status(failure, {.message = "m"}, true),
            "nginx; error=connection_refused; details=\"m\"");
}

TEST(ProxyStatus, HasItsParametersInOneOrder) {
  EXPECT_EQ(
      Status({.cause = Cause::kTlsProtocolError, .received_status = 200},
             {.peer = "a:1", .message = "SSL_read() SSL alert number 1"}, true),
      "nginx; error=tls_alert_received; alert-id=1; received-status=200; "
      "next-hop=\"a:1\"; details=\"SSL_read() SSL alert number 1\"");
}

TEST(ProxyStatus, SaysWhoAnsweredWhereNothingFailed) {
  const auto status = [](Origin origin) {
    return ProxyStatus("nginx", nullptr, {}, origin, true);
  };
  EXPECT_EQ(status(Origin::kConfig), "nginx; error=proxy_internal_response");
  EXPECT_EQ(status(Origin::kCache), "nginx");
  EXPECT_EQ(status(Origin::kNginx), "nginx");
  EXPECT_EQ(status(Origin::kUpstream), "nginx");
}

// A failure says more than who answered in the end.
TEST(ProxyStatus, TellsTheFailureWhateverTheOrigin) {
  const Failure failure = {.cause = Cause::kReadTimeout};
  for (size_t i = 0; i < kOriginCount; ++i) {
    EXPECT_EQ(ProxyStatus("nginx", &failure, {}, static_cast<Origin>(i), false),
              "nginx; error=connection_read_timeout");
  }
}

// One line of ASCII, and no quotation mark that is not escaped within quotes.
void ExpectField(const std::string& status) {
  size_t quotes = 0;
  for (size_t i = 0; i < status.size(); ++i) {
    ASSERT_TRUE(status[i] >= ' ' && status[i] <= '~') << status;
    if (status[i] == '\\') {
      ASSERT_LT(++i, status.size());
      ASSERT_TRUE(status[i] == '"' || status[i] == '\\') << status;
    } else if (status[i] == '"') {
      ++quotes;
    }
  }
  EXPECT_EQ(quotes, 4U) << status;
}

TEST(ProxyStatus, SurvivesHostileText) {
  const Failure failure = {.cause = Cause::kUnknown};
  for (const absl::string_view text :
       {absl::string_view(kNasty), absl::string_view("\r\nSet-Cookie: a=b"),
        absl::string_view("\"; error=x"), absl::string_view("\\"),
        absl::string_view("a\0b", 3), absl::string_view("\xff\xc3")}) {
    ExpectField(Status(failure, {.peer = text, .message = text}, true));
    EXPECT_EQ(Status(failure, {.peer = text, .message = text}, false),
              "nginx; error=proxy_internal_error");
  }
  EXPECT_EQ(Status(failure, {.message = "a\"b\\c\n"}, true),
            "nginx; error=proxy_internal_error; details=\"a\\\"b\\\\c?\"");
}

TEST(IsProxyName, IsAToken) {
  for (const absl::string_view name :
       {"nginx", "N", "*", "*x", "edge-1.example.com", "a:/!#$%&'*+-.^_`|~9"}) {
    EXPECT_TRUE(IsProxyName(name)) << name;
  }
}

TEST(IsProxyName, IsNothingElse) {
  for (const absl::string_view name :
       {"", "1x", "-x", ":x", "_x", " x", "x y", "x\"", "x;y", "x=y", "x,y",
        "x\\", "x(", "x\n", "caf\xc3\xa9", "\xc3\xa9"}) {
    EXPECT_FALSE(IsProxyName(name)) << name;
  }
  EXPECT_FALSE(IsProxyName(absl::string_view("x\0", 2)));
}

}  // namespace
}  // namespace upstream_502
