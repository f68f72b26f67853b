#include "upstream_502/advice/checks.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

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
              ElementsAre("ss -ltnp 'sport = :8080' || grep ':1F90 0*:0000 "
                          "0A ' /proc/net/tcp*",
                          HasSubstr("nginx -T")));
  EXPECT_THAT(
      Checks(Input(Cause::kConnectionRefused, Protocol::kHttp, "[::1]:8080")),
      ElementsAre(HasSubstr("ss -ltnp 'sport = :8080'"),
                  HasSubstr("nginx -T")));
}

TEST(Checks, TryARemoteAddressFromHere) {
  EXPECT_THAT(
      Checks(Input(Cause::kConnectionRefused, Protocol::kHttp, "192.0.2.7:80")),
      ElementsAre(
          "nc -vz -w 3 192.0.2.7 80 || timeout 3 bash -c "
          "'</dev/tcp/192.0.2.7/80' && echo connected",
          "ss -ltnp 'sport = :80' || grep ':0050 0*:0000 0A ' "
          "/proc/net/tcp*  # on 192.0.2.7",
          HasSubstr("grep -nwF -e 192.0.2.7:80 -e app -e '[emerg]'  # ")));
  EXPECT_THAT(Checks(Input(Cause::kConnectionUnreachable, Protocol::kHttp,
                           "[2001:db8::7]:80")),
              Contains("ip route get 2001:db8::7"));
}

TEST(Checks, SuggestPhpFpmForFastcgiOnly) {
  EXPECT_THAT(Checks(Input(Cause::kConnectionRefused, Protocol::kFastcgi,
                           "127.0.0.1:9000")),
              Contains("systemctl status 'php*-fpm*'"));
  EXPECT_THAT(Checks(Input(Cause::kConnectionRefused, Protocol::kFastcgi,
                           "192.0.2.7:9000")),
              Contains("systemctl status 'php*-fpm*'  # on 192.0.2.7"));
  EXPECT_THAT(Checks(Input(Cause::kSocketMissing, Protocol::kFastcgi,
                           "unix:/run/php/php8.2-fpm.sock")),
              ElementsAre("ls -l /run/php/php8.2-fpm.sock",
                          "ss -lxnp src /run/php/php8.2-fpm.sock || grep -F "
                          "/run/php/php8.2-fpm.sock /proc/net/unix",
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
  EXPECT_THAT(checks[1],
              AllOf(HasSubstr("--reuid $(ps -o uid= -C nginx | tail -n 1)"),
                    HasSubstr("may not connect' /run/app.sock")));
  EXPECT_THAT(checks, Contains(HasSubstr("listen\\.(owner|group|mode)")));
}

TEST(Checks, LookAtTheQueueOfASocket) {
  EXPECT_THAT(
      Checks(Input(Cause::kBacklogFull, Protocol::kHttp, "unix:/run/app.sock")),
      ElementsAre(HasSubstr("ss -lxn src /run/app.sock"),
                  HasSubstr("MemAvailable"), "sysctl net.core.somaxconn"));
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
        EXPECT_FALSE(absl::StrContains(check, ";id")) << check;
        EXPECT_FALSE(absl::StrContains(check, "/id")) << check;
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
  EXPECT_THAT(Checks(input)[0],
              AllOf(HasSubstr("s/[][]//g"),
                    HasSubstr("| sort -u | xargs -L 1 dig api.example.com; "
                              "else getent ahosts api.example.com; fi")));
  Evidence evidence;
  AppendItem(Named::kResolvers, "192.0.2.53:53", &evidence);
  AppendItem(Named::kResolvers, "[2001:db8::53]:5353", &evidence);
  EXPECT_THAT(Checks(input.failure, input.text, &evidence)[0],
              HasSubstr("then dig api.example.com @192.0.2.53 -p 53; dig "
                        "api.example.com @2001:db8::53 -p 5353; else"));
  for (const absl::string_view name : {"-f/etc/shadow", "a;id", "10.0.0.1"}) {
    input.text.upstream = name;
    EXPECT_THAT(Checks(input), Each(Not(HasSubstr("dig"))));
  }
}

TEST(Checks, SayWhetherNginxHasAResolver) {
  EXPECT_THAT(Checks(Input(Cause::kResolverMissing, Protocol::kHttp, ""))[0],
              HasSubstr("grep -nF -e 'resolver ' -e '[emerg]'  # "));
}

TEST(Checks, ShowTheBlockWhereThereIsOne) {
  Input input(Cause::kNoLiveUpstreams, Protocol::kHttp, "");
  EXPECT_THAT(Checks(input),
              ElementsAre(HasSubstr("grep -FA 20 -e 'upstream app'"),
                          HasSubstr("-e max_fails -e ")));
  for (const absl::string_view name : {"localhost:8080", "api.example.com"}) {
    input.text.upstream = name;
    EXPECT_THAT(Checks(input), ElementsAre(HasSubstr("-e max_fails -e ")));
  }
}

TEST(Checks, LookAtTheCertificate) {
  Input input(Cause::kTlsCertificateInvalid, Protocol::kHttps, "192.0.2.7:443");
  input.text.upstream = "api.example.com";
  EXPECT_THAT(Checks(input)[0],
              HasSubstr("openssl s_client -connect 192.0.2.7:443 -servername "
                        "api.example.com </dev/null"));
  EXPECT_THAT(Checks(input)[1],
              AllOf(HasSubstr("proxy_ssl_trusted_certificate [^ ;]+'"),
                    HasSubstr("-servername api.example.com </dev/null -CAfile "
                              "$f -verify_depth ${d:-1} 2>&1 | grep -m 1 -E "
                              "'Verify return|")));
  // Never the very name that did not match.
  input.text.message = "upstream SSL certificate does not match \"x\"";
  EXPECT_THAT(Checks(input)[0], HasSubstr("subjectAltName -checkhost x"));
  input.text.message = "upstream SSL certificate does not match \"$(id)\"";
  EXPECT_THAT(Checks(input)[0], Not(HasSubstr("id")));
  EXPECT_THAT(Checks(input), Contains(HasSubstr("proxy_ssl_name NAME;")));
  Evidence evidence;
  AppendItem(Named::kCertificateNames, "*.example.com", &evidence);
  AppendItem(Named::kCertificateNames, "a;id", &evidence);
  AppendItem(Named::kCertificateNames, "www.example.com", &evidence);
  EXPECT_THAT(upstream_502::Checks(input.failure, input.text, &evidence),
              Contains(HasSubstr("proxy_ssl_name www.example.com;  # ")));
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

  Evidence evidence;
  evidence.header_bytes = 20052;
  EXPECT_EQ(upstream_502::Checks({.cause = Cause::kHeaderTooBig,
                                  .protocol = Protocol::kHttp,
                                  .limit = 4096},
                                 {.peer = "127.0.0.1:80"}, &evidence)[0],
            "proxy_buffer_size 32k; proxy_buffers 8 32k;  # this response "
            "needs 20k");
  EXPECT_THAT(
      Checks(Input(Cause::kHeaderTooBig, Protocol::kHttp, "127.0.0.1:80"))[1],
      HasSubstr(" | wc -c  # has to fit into proxy_buffer_size"));

  input = Input(Cause::kReadTimeout, Protocol::kHttp, "127.0.0.1:80");
  input.failure.limit = 1500;
  EXPECT_THAT(Checks(input).back(), HasSubstr("proxy_read_timeout 3s;"));
}

TEST(Checks, AskTheBackendForTheFailedPath) {
  Input input(Cause::kErrorStatus, Protocol::kHttp, "127.0.0.1:8080");
  input.text.uri = "/a'b[1]";
  EXPECT_EQ(
      Checks(input)[0],
      "curl -sSg -m 90 -i 'http://127.0.0.1:8080/a'\\''b[1]'  # nginx may "
      "send other headers, another URI");
  input.text.uri = "/a\r\nb";
  EXPECT_THAT(Checks(input)[0],
              StartsWith("curl -sSg -m 90 -i http://127.0.0.1:8080/  #"));
  input.text.peer = "unix:/run/app.sock";
  input.failure.protocol = Protocol::kHttps;
  EXPECT_EQ(Checks(input)[0],
            "curl -sSg -m 90 -k -i --unix-socket /run/app.sock "
            "https://localhost/  # nginx may send other headers, another name "
            "for TLS or URI");
  input.failure.protocol = Protocol::kFastcgi;
  EXPECT_THAT(Checks(input), Each(Not(HasSubstr("curl"))));
}

TEST(Checks, ShowInterimResponses) {
  Input input(Cause::kBodyTimeout, Protocol::kHttp, "127.0.0.1:80");
  input.failure.received_status = 103;
  EXPECT_THAT(Checks(input), ElementsAre("curl -sSg -m 90 -D - -o /dev/null "
                                         "http://127.0.0.1:80/"));
}

TEST(Checks, LookIntoTheLogsOfAnApplicationThatEnded) {
  Input input(Cause::kProtocolError, Protocol::kFastcgi, "127.0.0.1:9000");
  input.text.message = "upstream sent unexpected FastCGI record: 3";
  EXPECT_THAT(Checks(input), Each(Not(HasSubstr("nginx -T 2>&1 | grep"))));
  EXPECT_THAT(Checks(input)[0], HasSubstr("error_log"));
  EXPECT_THAT(Checks(input)[1], HasSubstr("/var/log/php"));
}

TEST(Checks, AskTheKernelForTheWayByErrno) {
  Input input(Cause::kConnectionUnreachable, Protocol::kHttp, "192.0.2.7:80");
  input.failure.errno_number = EHOSTUNREACH;
  EXPECT_THAT(Checks(input), Contains("ip neigh show 192.0.2.7"));
  input = Input(Cause::kConnectionFailed, Protocol::kHttp, "192.0.2.7:80");
  input.failure.errno_number = EINVAL;
  EXPECT_THAT(Checks(input), Contains("ip route show match 192.0.2.7"));
  input = Input(Cause::kPermissionDenied, Protocol::kHttp, "[2001:db8::7]:80");
  input.failure.errno_number = EACCES;
  EXPECT_THAT(Checks(input)[0],
              HasSubstr("ip -6 route show match 2001:db8::7"));
}

TEST(Checks, AskForThatServiceAndItsProcesses) {
  const std::vector<std::string> checks = Checks(
      Input(Cause::kClosedBeforeResponse, Protocol::kHttp, "127.0.0.1:8080"));
  EXPECT_THAT(checks[0], HasSubstr("ss -Hltnp 'sport = :8080' | grep"));
  EXPECT_THAT(checks[0], HasSubstr("systemctl"));
  EXPECT_THAT(checks, Contains(HasSubstr("ps -o pid,lstart,args")));
  const std::vector<std::string> elsewhere = Checks(Input(
      Cause::kClosedBeforeResponse, Protocol::kFastcgi, "192.0.2.7:9000"));
  EXPECT_THAT(elsewhere,
              ElementsAre(HasSubstr("}  # on 192.0.2.7"),
                          HasSubstr("status  # on 192.0.2.7"),
                          HasSubstr("-p  # on 192.0.2.7: what serves there"),
                          HasSubstr("killed process'  # on 192.0.2.7"),
                          HasSubstr("/usr/local/etc}  # on 192.0.2.7")));
  const std::vector<std::string> php = Checks(Input(
      Cause::kClosedBeforeResponse, Protocol::kFastcgi, "127.0.0.1:9000"));
  EXPECT_THAT(php[0], HasSubstr("tail -n 30 ${l:-/var/log/php*fpm*.log "));
  EXPECT_THAT(php, Contains(HasSubstr("/etc/php* /usr/local/etc")));
}

TEST(Checks, AskForPhpsOwnConfigurationAndLog) {
  const std::vector<std::string> php =
      Checks(Input(Cause::kBacklogFull, Protocol::kFastcgi,
                   "unix:/run/php/php8.2-fpm.sock"));
  EXPECT_THAT(php, Contains(AllOf(HasSubstr("d=$(ss -Hlxnp src /run/php/"),
                                  HasSubstr("master process"),
                                  HasSubstr("${d:-/etc/php* "))));
}

TEST(Checks, KnowAnswersOfNoUse) {
  Input input(Cause::kErrorStatus, Protocol::kHttp, "127.0.0.1:80");
  input.text.message = "unexpected status code 200 in slice response";
  EXPECT_THAT(Checks(input)[0], HasSubstr("-r 0-0"));
  input.failure.cause = Cause::kBodyIncomplete;
  input.text.message = "inflate() failed: 2, -3";
  EXPECT_THAT(Checks(input), Contains(HasSubstr("| gzip -t")));
  input.failure.cause = Cause::kInternalError;
  input.text.message = "auth request unexpected status: 302 while ...";
  EXPECT_THAT(Checks(input), Contains(HasSubstr("-e auth_request")));
  input.text.message = "too big subrequest response: 100";
  EXPECT_THAT(Checks(input),
              Contains(HasSubstr("subrequest_output_buffer_size")));
}

TEST(Checks, EndWhereTheStreamDoesNot) {
  Input input(Cause::kBodyTimeout, Protocol::kHttp, "127.0.0.1:80");
  input.failure.event_stream = 1;
  EXPECT_THAT(Checks(input)[0], HasSubstr("curl -sSg -m 5 "));
  input.failure.event_stream = 0;
  EXPECT_THAT(Checks(input)[0], HasSubstr("curl -sSg -m 90 "));
}

TEST(Checks, MakeARequestLikeTheOneThatFailed) {
  Input input(Cause::kSendReset, Protocol::kHttp, "127.0.0.1:8080");
  input.text.method = "PUT";
  EXPECT_THAT(Checks(input),
              Contains(HasSubstr("/dev/zero | curl -sSg -m 90 -X PUT "
                                 "--data-binary @- ")));
  input = Input(Cause::kBodyTimeout, Protocol::kHttp, "127.0.0.1:8080");
  input.failure.received_status = 101;
  EXPECT_THAT(Checks(input)[0], HasSubstr("-H 'Upgrade: websocket'"));
  input.failure.received_status = 200;
  input.text.method = "HEAD";
  EXPECT_THAT(Checks(input)[0], HasSubstr("curl -sSg -m 90 -I "));
}

TEST(Checks, TellWhatIsWrongWithACertificate) {
  Input input(Cause::kTlsCertificateInvalid, Protocol::kHttps, "192.0.2.7:443");
  input.text.message = "certificate verify error: (10:certificate has expired)";
  EXPECT_THAT(Checks(input), ElementsAre(HasSubstr("-dates; date -u"),
                                         HasSubstr("'Verify return|")));
  input.text.message = "certificate verify error: (22:chain too long)";
  EXPECT_THAT(
      Checks(input),
      ElementsAre(HasSubstr(" [si]:'"), HasSubstr("-verify_depth ${d:-1} "),
                  HasSubstr("proxy_ssl_verify_depth 3;")));
  Evidence deep;
  deep.verify_depth = 1;
  deep.chain_length = 5;
  input.text.message = "certificate verify error: (20:no issuer)";
  EXPECT_THAT(upstream_502::Checks(input.failure, input.text, &deep),
              ElementsAre(HasSubstr(" [si]:'"), HasSubstr("-verify_depth "),
                          HasSubstr("proxy_ssl_verify_depth 4;")));
  deep.chain_length = 2;
  EXPECT_THAT(upstream_502::Checks(input.failure, input.text, &deep),
              Not(Contains(HasSubstr("proxy_ssl_verify_depth 4;"))));
  input.text.message = "certificate verify error: (66:EE key too weak)";
  EXPECT_THAT(Checks(input),
              ElementsAre(HasSubstr("|Public-Key|"), HasSubstr("'Verify ")));
  // A root is not among what is sent.
  input.text.message = "certificate verify error: (67:CA key too weak)";
  EXPECT_THAT(Checks(input), ElementsAre(HasSubstr("'Verify return|")));
  input.text.peer = "";
  EXPECT_THAT(Checks(input), ElementsAre(HasSubstr("error.log")));
}

TEST(Checks, EndWhereAHandshakeDoesNot) {
  EXPECT_THAT(
      Checks(Input(Cause::kTlsTimeout, Protocol::kHttps, "192.0.2.7:443"))[0],
      HasSubstr("timeout 10 openssl s_client -connect 192.0.2.7:443"));
  EXPECT_THAT(Checks(Input(Cause::kTlsTimeout, Protocol::kHttps, "")),
              ElementsAre(HasSubstr("proxy_connect_timeout 120s;  # only if")));
}

// A server may have another certificate for whom it does not know.
TEST(Checks, AskWithTheNameThatWasSent) {
  Input input(Cause::kTlsCertificateInvalid, Protocol::kHttps, "192.0.2.7:443");
  input.text.upstream = "api.example.com";
  Evidence evidence;
  evidence.sni = Seen::kNo;
  const auto checks = [&] {
    return Checks(input.failure, input.text, &evidence);
  };
  EXPECT_THAT(checks(), Not(Contains(HasSubstr("-servername"))));
  evidence.sni = Seen::kYes;
  AppendItem(Named::kServerName, "sent.example.com", &evidence);
  EXPECT_THAT(checks(), Contains(HasSubstr("-servername sent.example")));
}

TEST(Checks, AskWithTheNameAndWithoutIt) {
  Input input(Cause::kTlsProtocolError, Protocol::kHttps, "192.0.2.7:443");
  input.text.upstream = "api.example.com";
  const std::vector<std::string> named = Checks(input);
  EXPECT_THAT(named[0], HasSubstr(" -servername api.example.com </dev/null "
                                  "2>&1 | grep -E 'Cipher is|"));
  EXPECT_THAT(named[1], HasSubstr("-connect 192.0.2.7:443 </dev/null 2>&1"));
  input.text.upstream = "10.0.0.1";
  EXPECT_EQ(Checks(input).size(), named.size() - 1);
  input.text.peer = "";
  EXPECT_THAT(Checks(input), ElementsAre("proxy_ssl_server_name on;"));
}

TEST(Checks, ForTlsGoByMessageAndAlert) {
  Input input(Cause::kTlsProtocolError, Protocol::kHttps, "192.0.2.7:443");
  input.text.message = "SSL_do_handshake() failed (SSL: wrong version number)";
  EXPECT_THAT(Checks(input)[0], HasSubstr("http://192.0.2.7:443/"));
  EXPECT_THAT(Checks(input), Not(Contains(HasSubstr("_ssl_protocols"))));
  for (const absl::string_view message :
       {"SSL alert number 70", "SSL routines::unsupported protocol"}) {
    input.text.message = message;
    EXPECT_THAT(Checks(input)[0], HasSubstr("for v in tls1 tls1_1"));
    // A backend that speaks an old version only is not cured by the new ones.
    EXPECT_THAT(Checks(input), Contains(HasSubstr("TLSv1 TLSv1.1;")));
    EXPECT_THAT(Checks(input), Contains(HasSubstr("@SECLEVEL=0")));
  }
  input.text.message = "SSL alert number 116";
  EXPECT_THAT(Checks(input), Contains(HasSubstr("proxy_ssl_certificate ")));
  EXPECT_THAT(Checks(input)[0], HasSubstr("</dev/null | sed -n '/CA names/"));
  EXPECT_THAT(Checks(input), Not(Contains(HasSubstr("_ssl_protocols"))));
  input.text.message = "SSL alert number 40";
  EXPECT_THAT(Checks(input), Contains("proxy_ssl_server_name on;"));
}

TEST(Checks, LookAtTheFileThatCouldNotBeWritten) {
  Input input(Cause::kInternalError, Protocol::kHttp, "127.0.0.1:80");
  input.text.message =
      "pwrite() \"/var/lib/nginx/proxy/1/01\" failed (28: No space left)";
  EXPECT_THAT(
      Checks(input),
      ElementsAre("df -h /var/lib/nginx/proxy/1  # it is free again once "
                  "the request has ended",
                  "df -i /var/lib/nginx/proxy/1",
                  "namei -l /var/lib/nginx/proxy/1"));
  input.failure.errno_number = EACCES;
  EXPECT_THAT(Checks(input), ElementsAre("namei -l /var/lib/nginx/proxy/1/01"));
  input.text.message = "pwrite() \"/a b\" failed";
  EXPECT_THAT(Checks(input)[0], HasSubstr("error.log"));
}

TEST(Checks, OfferATimeBelowTheIdleTimeSeen) {
  Evidence evidence;
  evidence.idle_ms = 5003;
  const std::vector<std::string> checks = upstream_502::Checks(
      {.cause = Cause::kKeepaliveRace, .protocol = Protocol::kHttp},
      {.peer = "127.0.0.1:80"}, &evidence);
  EXPECT_THAT(checks[0], HasSubstr("keepalive_timeout 4s;"));
  EXPECT_THAT(checks[1], HasSubstr("exec 3<>/dev/tcp/127.0.0.1/80"));
}

TEST(Checks, KnowThisMachineWhereItWasSeen) {
  Evidence evidence;
  evidence.where = Where::kThisMachine;
  EXPECT_THAT(upstream_502::Checks({.cause = Cause::kConnectionRefused},
                                   {.peer = "192.0.2.7:80"}, &evidence)[0],
              Not(HasSubstr("# on")));
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
