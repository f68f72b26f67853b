#include "upstream_502/advice/checks.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A failure with its text.
struct Input {
  Failure failure;
  FailureText text;

  Input(Cause cause, Protocol protocol, absl::string_view peer)
      : failure{.cause = cause, .protocol = protocol},
        text{.upstream = "app", .peer = peer} {}
};

std::vector<std::string> Checks(const Input& input) {
  return upstream_502::Checks(input.failure, input.text);
}

TEST(Checks, LookForWhoListens) {
  EXPECT_THAT(Checks(Input(Cause::kConnectionRefused, Protocol::kHttp,
                           "127.0.0.1:8080")),
              ElementsAre("ss -ltnp 'sport = :8080'", HasSubstr("nginx -T")));
  EXPECT_THAT(
      Checks(Input(Cause::kConnectionRefused, Protocol::kHttp, "[::1]:8080")),
      ElementsAre("ss -ltnp 'sport = :8080'", HasSubstr("nginx -T")));
}

TEST(Checks, TryARemoteAddressFromHere) {
  EXPECT_THAT(
      Checks(Input(Cause::kConnectionRefused, Protocol::kHttp, "192.0.2.7:80")),
      ElementsAre("ss -ltnp 'sport = :80'  # on 192.0.2.7",
                  "nc -vz -w 3 192.0.2.7 80",
                  "nginx -T 2>/dev/null | grep -n 192.0.2.7:80  # is "
                  "it the right one?"));
  EXPECT_THAT(Checks(Input(Cause::kConnectionUnreachable, Protocol::kHttp,
                           "[2001:db8::7]:80")),
              Contains("ip route get 2001:db8::7"));
}

TEST(Checks, SuggestPhpFpmForFastcgiOnly) {
  EXPECT_THAT(Checks(Input(Cause::kConnectionRefused, Protocol::kFastcgi,
                           "127.0.0.1:9000")),
              Contains("systemctl status 'php*-fpm*'"));
  EXPECT_THAT(Checks(Input(Cause::kSocketMissing, Protocol::kFastcgi,
                           "unix:/run/php/php8.2-fpm.sock")),
              ElementsAre("ls -l /run/php/php8.2-fpm.sock",
                          "ss -lxnp src /run/php/php8.2-fpm.sock",
                          "systemctl status php8.2-fpm"));
  EXPECT_THAT(Checks(Input(Cause::kSocketMissing, Protocol::kFastcgi,
                           "unix:/run/php8.sock")),
              Contains("systemctl status 'php*-fpm*'"));
  EXPECT_THAT(Checks(Input(Cause::kConnectionRefused, Protocol::kUwsgi,
                           "127.0.0.1:9000")),
              Each(Not(HasSubstr("php"))));
}

TEST(Checks, LookAtTheModesOfASocket) {
  const std::vector<std::string> checks = Checks(Input(
      Cause::kPermissionDenied, Protocol::kFastcgi, "unix:/run/app.sock"));
  EXPECT_EQ(checks[0], "namei -l /run/app.sock");
  EXPECT_THAT(checks, Contains(HasSubstr("listen\\.(owner|group|mode)")));
}

TEST(Checks, LookAtTheQueueOfASocket) {
  EXPECT_THAT(
      Checks(Input(Cause::kBacklogFull, Protocol::kHttp, "unix:/run/app.sock")),
      ElementsAre(HasSubstr("ss -lxn src /run/app.sock"),
                  "sysctl net.core.somaxconn"));
}

TEST(Checks, QuoteAPathForTheShell) {
  const std::vector<std::string> checks = Checks(Input(
      Cause::kSocketMissing, Protocol::kHttp, "unix:/run/$(reboot)'.sock"));
  EXPECT_EQ(checks[0], "ls -l '/run/$(reboot)'\\''.sock'");
}

TEST(Checks, LeaveOutWhatIsNoAddress) {
  for (const absl::string_view peer :
       {"-oProxyCommand:80", "a b:80", "(other)", "x\n:80", "host:80;id",
        "[::1;id]:80", "unix:relative", "unix:/id\n", "127.0.0.1:123456789",
        ""}) {
    for (const Cause cause :
         {Cause::kConnectionRefused, Cause::kConnectionTimeout,
          Cause::kTlsProtocolError, Cause::kClosedBeforeResponse}) {
      for (const std::string& check :
           Checks(Input(cause, Protocol::kHttps, peer))) {
        EXPECT_FALSE(absl::StrContains(check, "ProxyCommand")) << check;
        EXPECT_FALSE(absl::StrContains(check, "id")) << check;
        EXPECT_FALSE(absl::StrContains(check, "\n")) << check;
        EXPECT_FALSE(absl::StrContains(check, "other")) << check;
        EXPECT_FALSE(absl::StrContains(check, "12345")) << check;
        EXPECT_FALSE(absl::StrContains(check, "a b")) << check;
      }
    }
  }
}

TEST(Checks, LookUpTheName) {
  Input input(Cause::kDnsError, Protocol::kHttp, "");
  input.text.upstream = "api.example.com:8080";
  EXPECT_EQ(Checks(input)[0], "dig api.example.com");
  for (const absl::string_view name : {"-f/etc/shadow", "a;id", "10.0.0.1"}) {
    input.text.upstream = name;
    EXPECT_THAT(Checks(input), Each(Not(HasSubstr("dig"))));
  }
}

TEST(Checks, LookAtTheCertificate) {
  Input input(Cause::kTlsCertificateInvalid, Protocol::kHttps, "192.0.2.7:443");
  input.text.upstream = "api.example.com";
  EXPECT_THAT(Checks(input)[0],
              HasSubstr("openssl s_client -connect 192.0.2.7:443 -servername "
                        "api.example.com </dev/null"));
  input.text.message = "upstream SSL certificate does not match \"x\"";
  EXPECT_THAT(Checks(input),
              Contains(HasSubstr("proxy_ssl_name api.example.com;")));
  input.text.peer = "[2001:db8::7]:443";
  EXPECT_THAT(Checks(input)[0], HasSubstr("-connect '[2001:db8::7]:443'"));
}

TEST(Checks, SayWhichDirectiveAndValue) {
  Input input(Cause::kHeaderTooBig, Protocol::kFastcgi, "127.0.0.1:9000");
  EXPECT_EQ(Checks(input)[0],
            "fastcgi_buffer_size 16k; fastcgi_buffers 8 16k;");
  input.failure.limit = 8192;
  EXPECT_EQ(Checks(input)[0],
            "fastcgi_buffer_size 32k; fastcgi_buffers 8 32k;");
  input.failure.protocol = Protocol::kGrpc;
  EXPECT_EQ(Checks(input)[0], "grpc_buffer_size 32k;");

  input = Input(Cause::kReadTimeout, Protocol::kHttp, "127.0.0.1:80");
  input.failure.limit = 1500;
  EXPECT_THAT(Checks(input).back(), HasSubstr("proxy_read_timeout 3s;"));
}

TEST(Checks, AskTheBackendForTheFailedPath) {
  Input input(Cause::kErrorStatus, Protocol::kHttp, "127.0.0.1:8080");
  input.text.uri = "/a'b[1]";
  EXPECT_EQ(Checks(input)[0],
            "curl -sg -m 90 -i 'http://127.0.0.1:8080/a'\\''b[1]'");
  input.text.uri = "/a\r\nb";
  EXPECT_EQ(Checks(input)[0], "curl -sg -m 90 -i http://127.0.0.1:8080/");
  input.text.peer = "unix:/run/app.sock";
  EXPECT_EQ(Checks(input)[0],
            "curl -sg -m 90 -i --unix-socket /run/app.sock http://localhost/");
  input.failure.protocol = Protocol::kFastcgi;
  EXPECT_THAT(Checks(input), Each(Not(HasSubstr("curl"))));
}

TEST(Checks, TellWhatThisMachineRanOutOf) {
  Input input(Cause::kLocalExhausted, Protocol::kHttp, "127.0.0.1:80");
  input.failure.errno_number = EADDRNOTAVAIL;
  EXPECT_THAT(Checks(input), Contains("sysctl net.ipv4.ip_local_port_range"));
  EXPECT_THAT(Checks(input), Not(Contains("sysctl fs.file-nr")));
  input.failure.errno_number = EMFILE;
  EXPECT_THAT(Checks(input), Contains("sysctl fs.file-nr"));
  EXPECT_THAT(Checks(input),
              Not(Contains("sysctl net.ipv4.ip_local_port_range")));
  input.failure.errno_number = 0;
  input.text.message = "1024 worker_connections are not enough";
  EXPECT_THAT(Checks(input),
              ElementsAre("nginx -T 2>/dev/null | grep -n worker_connections"));
}

TEST(Checks, AreThereForEveryCause) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    EXPECT_THAT(
        Checks(Input(static_cast<Cause>(i), Protocol::kHttp, "127.0.0.1:80")),
        Not(IsEmpty()))
        << i;
  }
}

}  // namespace
}  // namespace upstream_502
