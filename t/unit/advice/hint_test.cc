#include "upstream_502/advice/hint.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr Protocol kProtocols[] = {
    Protocol::kUnknown,   Protocol::kHttp,   Protocol::kHttps,
    Protocol::kFastcgi,   Protocol::kUwsgi,  Protocol::kSuwsgi,
    Protocol::kScgi,      Protocol::kGrpc,   Protocol::kGrpcs,
    Protocol::kMemcached, Protocol::kTunnel,
};

TEST(HintTest, EveryHintIsOneShortLineOfAscii) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    for (const Protocol protocol : kProtocols) {
      for (const absl::string_view peer :
           {"", "unix:/run/app.sock", "[::1]:80"}) {
        for (const int64_t limit :
             {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{60000}, INT64_MAX}) {
          const std::string hint = Hint({.cause = static_cast<Cause>(i),
                                         .phase = Phase::kBody,
                                         .protocol = protocol,
                                         .client_status = 200,
                                         .received_status = 502,
                                         .limit = limit,
                                         .group_size = 2},
                                        {.peer = peer});
          ASSERT_FALSE(hint.empty());
          EXPECT_LE(hint.size(), 300u) << hint;
          EXPECT_NE(hint.back(), '.') << hint;
          EXPECT_FALSE(absl::StrContains(hint, "$")) << hint;
          for (const char c : hint) {
            EXPECT_TRUE(c >= ' ' && c <= '~') << hint;
          }
        }
      }
    }
  }
}

// What a peer is called comes from outside and never gets into the hint.
TEST(HintTest, NeverRepeatsThePeer) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    EXPECT_FALSE(absl::StrContains(
        Hint({.cause = static_cast<Cause>(i)}, {.peer = "unix:/x\n<script>$1"}),
        "script"));
  }
}

TEST(HintTest, SaysTheWordsOfTheProtocol) {
  const struct {
    Failure failure;
    absl::string_view says;
    absl::string_view peer = "";
  } kCases[] = {
      {{.cause = Cause::kHeaderTooBig,
        .protocol = Protocol::kFastcgi,
        .limit = 4096},
       "raise fastcgi_buffer_size (now 4k): "},
      {{.cause = Cause::kHeaderTooBig,
        .protocol = Protocol::kHttps,
        .limit = 5000},
       "raise proxy_buffer_size (now 5000): "},
      {{.cause = Cause::kHeaderTooBig, .protocol = Protocol::kSuwsgi},
       "raise uwsgi_buffer_size: "},
      {{.cause = Cause::kHeaderTooBig, .protocol = Protocol::kGrpc},
       "raise grpc_buffer_size: "},
      {{.cause = Cause::kReadTimeout,
        .protocol = Protocol::kFastcgi,
        .limit = 60000},
       "fastcgi_read_timeout 60s ran out: "},
      {{.cause = Cause::kReadTimeout,
        .protocol = Protocol::kFastcgi,
        .limit = 60000},
       "PHP-FPM: pm.max_children, request_terminate_timeout"},
      {{.cause = Cause::kReadTimeout,
        .protocol = Protocol::kUwsgi,
        .limit = 1500},
       "uwsgi_read_timeout 1500ms ran out: "},
      {{.cause = Cause::kReadTimeout, .protocol = Protocol::kUwsgi},
       "harakiri"},
      {{.cause = Cause::kBodyTimeout,
        .protocol = Protocol::kHttp,
        .limit = 1000},
       "proxy_read_timeout 1s ran out: "},
      {{.cause = Cause::kSendTimeout,
        .protocol = Protocol::kScgi,
        .limit = 2000},
       "scgi_send_timeout 2s ran out: "},
      {{.cause = Cause::kConnectionTimeout,
        .protocol = Protocol::kMemcached,
        .limit = 3000},
       "memcached_connect_timeout 3s ran out: "},
      {{.cause = Cause::kTlsTimeout,
        .protocol = Protocol::kGrpcs,
        .limit = 3000},
       "grpc_connect_timeout 3s ran out: "},
      {{.cause = Cause::kBacklogFull, .protocol = Protocol::kFastcgi},
       "pm.max_children, listen.backlog"},
      {{.cause = Cause::kKeepaliveRace, .protocol = Protocol::kHttp},
       "shorter than keepalive_timeout in upstream{}, or its worker restarts "
       "or limits requests per connection; gunicorn: --keep-alive; Node: "
       "server.keepAliveTimeout"},
      {{.cause = Cause::kPermissionDenied, .protocol = Protocol::kHttp},
       "setsebool -P httpd_can_network_connect 1"},
      {{.cause = Cause::kPermissionDenied, .protocol = Protocol::kFastcgi},
       "namei -l",
       "unix:/run/php/fpm.sock"},
      {{.cause = Cause::kPermissionDenied, .protocol = Protocol::kFastcgi},
       "listen.owner, listen.group, listen.mode",
       "unix:/run/php/fpm.sock"},
      {{.cause = Cause::kConnectionRefused, .protocol = Protocol::kHttp},
       "left behind",
       "unix:/run/app.sock"},
      {{.cause = Cause::kLocalExhausted}, "ip_local_port_range"},
      {{.cause = Cause::kLocalExhausted}, "worker_rlimit_nofile"},
      {{.cause = Cause::kLocalExhausted}, "worker_connections"},
      {{.cause = Cause::kTlsCertificateInvalid, .protocol = Protocol::kHttps},
       "proxy_ssl_trusted_certificate"},
      {{.cause = Cause::kTlsProtocolError, .protocol = Protocol::kSuwsgi},
       "uwsgi_ssl_protocols"},
      {{.cause = Cause::kTlsClosed, .protocol = Protocol::kGrpcs},
       "grpc_ssl_server_name"},
      {{.cause = Cause::kErrorStatus,
        .protocol = Protocol::kHttp,
        .received_status = 504},
       "the backend answered 504: "},
      {{.cause = Cause::kProtocolError, .protocol = Protocol::kGrpc},
       "grpcs://"},
  };
  for (const auto& c : kCases) {
    const std::string hint = Hint(c.failure, {.peer = c.peer});
    EXPECT_TRUE(absl::StrContains(hint, c.says)) << hint << "\n" << c.says;
  }
}

// Without evidence readings are named as such.
TEST(HintTest, SaysNothingThatWasNotSeen) {
  const struct {
    Cause cause;
    absl::string_view not_said;
    absl::string_view says;
  } kCases[] = {
      {Cause::kReadTimeout, "took the request", "no answer came in time"},
      {Cause::kKeepaliveRace, "closed an idle connection", "restarts"},
      {Cause::kConnectionRefused, "nothing listens there", "or a firewall"},
      {Cause::kSocketMissing, "is not running or listens", "PrivateTmp"},
      {Cause::kConnectionUnreachable, "there is no route", "or a firewall"},
      {Cause::kNoLiveUpstreams, "the cause is in the failures", "max_conns"},
      {Cause::kBodyIncomplete, "the client got a part", "broke off"},
      {Cause::kBodyTimeout, "the client got a part", "stalled"},
      {Cause::kInternalError, "500", "nginx itself"},
      {Cause::kErrorStatus, "nginx passed on", "itself says"},
  };
  for (const auto& c : kCases) {
    const std::string hint = Hint({.cause = c.cause}, {.peer = "[::1]:80"});
    EXPECT_FALSE(absl::StrContains(hint, c.not_said)) << hint;
    EXPECT_TRUE(absl::StrContains(hint, c.says)) << hint;
  }
}

TEST(HintTest, SaysWhatTheClientGot) {
  Failure failure = {.cause = Cause::kBodyIncomplete,
                     .phase = Phase::kBody,
                     .protocol = Protocol::kHttp,
                     .client_status = 200};
  EXPECT_TRUE(absl::EndsWith(Hint(failure, {}), "; the client got a cut 200"));
  failure.client_status = 502;
  EXPECT_TRUE(absl::EndsWith(Hint(failure, {}), "; the client got 502"));
  failure.rescued = 1;
  EXPECT_TRUE(
      absl::EndsWith(Hint(failure, {}), "; the client saw nothing of it"));
  failure.rescued = 0;
  failure.client_status = 0;
  EXPECT_FALSE(absl::StrContains(Hint(failure, {}), "the client got"));
  failure = {.cause = Cause::kInternalError,
             .phase = Phase::kBody,
             .client_status = 200};
  EXPECT_TRUE(absl::EndsWith(Hint(failure, {}), "; the client got a cut 200"));
}

// The message decides on the words; they fit, whatever stands before them.
TEST(HintTest, ReadsTheMessage) {
  const struct {
    Failure failure;
    absl::string_view message;
    absl::string_view says;
  } kCases[] = {
      {{.cause = Cause::kTlsProtocolError, .protocol = Protocol::kHttps},
       "SSL_do_handshake() failed (SSL: wrong version number)",
       "speaks no TLS"},
      {{.cause = Cause::kTlsProtocolError, .protocol = Protocol::kGrpcs},
       "SSL_do_handshake() failed (SSL: SSL alert number 70)",
       "grpc_ssl_protocols"},
      {{.cause = Cause::kTlsCertificateInvalid, .protocol = Protocol::kHttps},
       "upstream SSL certificate does not match \"app\"",
       "proxy_ssl_name is to be one of those it carries"},
      {{.cause = Cause::kProtocolError, .protocol = Protocol::kGrpc},
       "upstream rejected request with error 7",
       "its error code says why (REFUSED_STREAM): "},
      {{.cause = Cause::kProtocolError, .protocol = Protocol::kGrpc},
       "upstream sent goaway with error 1",
       "(PROTOCOL_ERROR): the server found a mistake in what nginx sent"},
      {{.cause = Cause::kProtocolError, .protocol = Protocol::kFastcgi},
       "upstream sent unsupported FastCGI protocol version: 72",
       "fastcgi_pass does not speak"},
      {{.cause = Cause::kBodyIncomplete, .protocol = Protocol::kHttp},
       "upstream sent invalid chunked response",
       "remove the Transfer-Encoding"},
      {{.cause = Cause::kBodyTimeout,
        .protocol = Protocol::kHttp,
        .received_status = 101,
        .limit = 60000},
       "upstream timed out (110: Connection timed out)",
       "proxy_read_timeout 60s ran out: nothing was said"},
  };
  for (const auto& c : kCases) {
    const std::string hint = Hint(c.failure, {.message = c.message});
    EXPECT_TRUE(absl::StrContains(hint, c.says)) << hint;
    EXPECT_LE(hint.size(), 300u) << hint;
  }
}

// One that has sent a header speaks HTTP, and may have been kept from writing.
TEST(HintTest, DoesNotDoubtTheProtocolOfABody) {
  const std::string hint = Hint({.cause = Cause::kBodyIncomplete,
                                 .phase = Phase::kBody,
                                 .protocol = Protocol::kHttp,
                                 .client_status = 200,
                                 .group_size = 2},
                                {});
  EXPECT_LE(hint.size(), 300U) << hint;
  EXPECT_FALSE(absl::StrContains(hint, "http-socket")) << hint;
  EXPECT_TRUE(absl::StrContains(hint, "a slow client")) << hint;
}

TEST(HintTest, SpeaksOfPingsWhereThereIsAStream) {
  Failure failure = {.cause = Cause::kBodyTimeout, .protocol = Protocol::kHttp};
  EXPECT_FALSE(absl::StrContains(Hint(failure, {}), "pings"));
  EXPECT_TRUE(absl::StrContains(Hint(failure, {}), "Content-Length"));
  EXPECT_EQ(HintOf(Finding::kNoAnswer, failure, {}), Hint(failure, {}));
  failure.received_status = 101;
  EXPECT_TRUE(absl::StrContains(Hint(failure, {}), "pings"));
}

TEST(HintTest, SaysThatAServerStaysWhoseBodiesAreCut) {
  Failure failure = {.cause = Cause::kBodyIncomplete,
                     .phase = Phase::kBody,
                     .protocol = Protocol::kHttp,
                     .client_status = 200,
                     .group_size = 2};
  const std::string hint = Hint(failure, {});
  EXPECT_TRUE(absl::StrContains(
      hint, "; the client got a cut 200; nginx does not stop using it"))
      << hint;
  EXPECT_LE(hint.size(), 300U) << hint;
  failure.group_size = 1;
  EXPECT_FALSE(absl::StrContains(Hint(failure, {}), "does not stop"));
}

TEST(HintTest, NamesTheServersOwnLimitsOnALargeHeader) {
  Failure failure = {.cause = Cause::kClosedBeforeResponse,
                     .protocol = Protocol::kUwsgi,
                     .bytes_sent = 6000};
  EXPECT_TRUE(absl::StrContains(Hint(failure, {.method = "GET"}),
                                "uWSGI: buffer-size"));
  failure.protocol = Protocol::kHttp;
  failure.bytes_sent = 30000;
  const std::string hint = Hint(failure, {.method = "GET"});
  EXPECT_TRUE(absl::StrContains(hint, "--limit-request-field_size")) << hint;
  EXPECT_TRUE(absl::StrContains(hint, "--max-http-header-size")) << hint;
  EXPECT_TRUE(absl::StrContains(hint, "WORKER TIMEOUT")) << hint;
  EXPECT_LE(hint.size(), 300u) << hint;
  // Whoever refuses it for its size does so at once.
  failure.response_time = 1500;
  EXPECT_FALSE(absl::StrContains(Hint(failure, {.method = "GET"}), "header"));
}

TEST(HintTest, NamesTheWordThatTakesARelayingServerOut) {
  Failure failure = {.cause = Cause::kErrorStatus,
                     .received_status = 502,
                     .not_retried = NotRetried::kNotListed,
                     .group_size = 2};
  for (const Protocol protocol :
       {Protocol::kHttp, Protocol::kGrpc, Protocol::kFastcgi}) {
    failure.protocol = protocol;
    const std::string word =
        absl::StrCat("nginx goes on asking it, ", DirectivePrefix(protocol),
                     "_next_upstream has no http_502");
    EXPECT_TRUE(absl::StrContains(Hint(failure, {}), word))
        << Hint(failure, {});
  }
  const auto goes_on = [&failure] {
    return absl::StrContains(Hint(failure, {}), "goes on");
  };
  EXPECT_TRUE(goes_on());
  failure.received_status = 503;
  EXPECT_FALSE(goes_on());
  failure.received_status = 504;
  EXPECT_TRUE(goes_on());
  failure.not_retried = NotRetried::kUnknown;  // it asked another one
  EXPECT_FALSE(goes_on());
  failure.not_retried = NotRetried::kNotListed;
  failure.group_size = 1;
  EXPECT_FALSE(goes_on());
}

// What the runbook says first is what the log, the page and the reports say.
TEST(HintTest, IsTheRunbooksWordToo) {
  const std::string path =
      absl::StrCat(absl::string_view(__FILE__).substr(
                       0, absl::string_view(__FILE__).rfind("t/unit/")),
                   "docs/causes.md");
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  const std::vector<std::string> sections =
      absl::StrSplit(text.str(), "\n### ");
  ASSERT_EQ(sections.size(), kCauseCount + 1);
  for (size_t i = 0; i < kCauseCount; ++i) {
    const CauseInfo& info = Info(static_cast<Cause>(i));
    std::string section = sections[i + 1];
    absl::StrReplaceAll({{"\n> ", " "}}, &section);
    EXPECT_TRUE(absl::StrContains(section, absl::StrCat(" ", info.hint)))
        << info.name << ": " << info.hint;
  }
}

TEST(HintTest, NamesNoTimeoutWhereTheKernelGaveUp) {
  const std::string hint = Hint(
      {.cause = Cause::kConnectionTimeout, .protocol = Protocol::kHttp}, {});
  EXPECT_FALSE(absl::StrContains(hint, "ran out")) << hint;
}

TEST(HintOf, SpeaksOfTheProtocolsDirectives) {
  const Failure failure = {.cause = Cause::kTlsClosed,
                           .phase = Phase::kTls,
                           .protocol = Protocol::kGrpcs};
  EXPECT_TRUE(absl::StartsWith(
      HintOf(Finding::kNoServerName, failure, {.peer = "10.0.0.1:443"}),
      "grpc_ssl_server_name on"));
}

TEST(HintOf, NamesTheServicesOwnSettings) {
  const Failure failure = {.cause = Cause::kClosedBeforeResponse,
                           .protocol = Protocol::kFastcgi};
  EXPECT_TRUE(absl::StrContains(HintOf(Finding::kStillListening, failure, {}),
                                "; PHP-FPM: request_terminate_timeout"));
  EXPECT_FALSE(
      absl::StrContains(HintOf(Finding::kServiceGone, failure, {}), "PHP-FPM"));
}

TEST(HintOfSilence, IsShortAndNamesTheDirective) {
  const std::string hint = HintOfSilence(
      {.cause = Cause::kResetBeforeResponse, .protocol = Protocol::kUwsgi},
      {.peer = "127.0.0.1:3031"}, "its own hint");
  EXPECT_TRUE(absl::StrContains(hint, "uwsgi_pass"));
  EXPECT_LE(hint.size(), 300U);
}

// nginx's "return 444" does.
TEST(HintOfSilence, AsksWhetherTheHostWasRefused) {
  Failure failure = {.cause = Cause::kClosedBeforeResponse,
                     .protocol = Protocol::kHttp};
  const auto said = [&failure] {
    return HintOfSilence(failure, {.peer = "127.0.0.1:80"}, "");
  };
  EXPECT_TRUE(absl::StrContains(said(), "closes for the Host")) << said();
  EXPECT_LE(said().size(), 300U);
  failure.response_time = 30000;
  EXPECT_FALSE(absl::StrContains(said(), "the Host"));
  failure = {.cause = Cause::kClosedBeforeResponse,
             .protocol = Protocol::kFastcgi};
  EXPECT_FALSE(absl::StrContains(said(), "the Host"));
}

TEST(HintOf, StepsBackWhereTheRequestTellsMore) {
  const Failure failure = {.cause = Cause::kClosedBeforeResponse,
                           .protocol = Protocol::kUwsgi,
                           .bytes_sent = 5000};
  EXPECT_TRUE(absl::StrContains(
      HintOf(Finding::kStillListening, failure, {.method = "GET"}),
      "uWSGI: buffer-size"));
}

}  // namespace
}  // namespace upstream_502
