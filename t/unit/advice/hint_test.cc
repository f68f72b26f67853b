#include "upstream_502/advice/hint.h"

#include <string>

#include "absl/strings/match.h"
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
                                         .protocol = protocol,
                                         .received_status = 502,
                                         .limit = limit},
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
       "must be longer than keepalive_timeout in upstream{}; gunicorn: "
       "--keep-alive; Node: server.keepAliveTimeout"},
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

TEST(HintTest, NamesNoTimeoutWhereTheKernelGaveUp) {
  const std::string hint = Hint(
      {.cause = Cause::kConnectionTimeout, .protocol = Protocol::kHttp}, {});
  EXPECT_FALSE(absl::StrContains(hint, "ran out")) << hint;
}

}  // namespace
}  // namespace upstream_502
