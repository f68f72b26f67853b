#include "upstream_502/words/cause.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(CauseTest, EveryCauseHasARowAndAllItsTexts) {
  std::set<absl::string_view> names;
  for (size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    const CauseInfo& info = Info(cause);
    EXPECT_EQ(info.cause, cause);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.phases.empty()) << info.name;
    EXPECT_FALSE(info.when.empty()) << info.name;
    EXPECT_FALSE(info.hint.empty()) << info.name;
    EXPECT_EQ(info.rfc9209.empty(), cause == Cause::kErrorStatus) << info.name;
  }
}

// The names are a public contract: dashboards and alerts rely on them.
TEST(CauseTest, NamesAndNumbersStayWhatTheyAre) {
  const absl::string_view names[] = {
      "resolver_missing",
      "dns_error",
      "dns_timeout",
      "no_live_upstreams",
      "connection_refused",
      "connection_timeout",
      "connection_unreachable",
      "connection_failed",
      "socket_missing",
      "permission_denied",
      "backlog_full",
      "local_exhausted",
      "tls_protocol_error",
      "tls_certificate_invalid",
      "tls_closed",
      "tls_timeout",
      "send_reset",
      "send_timeout",
      "keepalive_race",
      "closed_before_response",
      "reset_before_response",
      "header_incomplete",
      "header_too_big",
      "header_invalid",
      "protocol_error",
      "read_timeout",
      "error_status",
      "body_incomplete",
      "body_timeout",
      "internal_error",
      "unknown",
  };
  ASSERT_EQ(std::size(names), kCauseCount);
  for (size_t i = 0; i < kCauseCount; ++i) {
    EXPECT_EQ(CauseName(static_cast<Cause>(i)), names[i]);
  }
}

TEST(CauseTest, TextsFitOneLineOfAsciiWithoutQuotingTrouble) {
  for (size_t i = 0; i < kCauseCount; ++i) {
    const CauseInfo& info = Info(static_cast<Cause>(i));
    for (const absl::string_view text : {info.when, info.hint}) {
      for (const char c : text) {
        EXPECT_TRUE(c >= ' ' && c <= '~') << info.name;
      }
      EXPECT_NE(text.back(), '.') << info.name;
    }
  }
}

TEST(CauseTest, EveryPhaseOfARowIsAPhase) {
  std::set<absl::string_view> phases;
  for (int i = 0; i <= static_cast<int>(Phase::kBody); ++i) {
    phases.insert(PhaseName(static_cast<Phase>(i)));
  }
  EXPECT_EQ(phases.size(), 7u);
  for (size_t i = 0; i < kCauseCount; ++i) {
    absl::string_view rest = Info(static_cast<Cause>(i)).phases;
    while (!rest.empty()) {
      const size_t comma = rest.find(", ");
      EXPECT_EQ(phases.count(rest.substr(0, comma)), 1u) << rest;
      rest = comma == absl::string_view::npos ? absl::string_view()
                                              : rest.substr(comma + 2);
    }
  }
}

TEST(CauseTest, ParsesEveryNameBackAndNothingElse) {
  Cause cause = Cause::kUnknown;
  for (size_t i = 0; i < kCauseCount; ++i) {
    ASSERT_TRUE(ParseCause(CauseName(static_cast<Cause>(i)), &cause));
    EXPECT_EQ(static_cast<size_t>(cause), i);
  }
  cause = Cause::kDnsError;
  for (const absl::string_view name :
       {"", "dns", "dns_error ", "DNS_ERROR", "dns_errors"}) {
    EXPECT_FALSE(ParseCause(name, &cause)) << name;
    EXPECT_EQ(cause, Cause::kDnsError);
  }
}

TEST(CauseTest, NumbersOutOfRangeAreUnknownAndHarmless) {
  EXPECT_EQ(CauseName(static_cast<Cause>(31)), "unknown");
  EXPECT_EQ(CauseName(static_cast<Cause>(255)), "unknown");
  EXPECT_EQ(PhaseName(static_cast<Phase>(7)), "");
  EXPECT_EQ(OriginName(static_cast<Origin>(4)), "");
  EXPECT_EQ(ProtocolName(static_cast<Protocol>(200)), "unknown");
}

TEST(CauseTest, NamesOrigins) {
  EXPECT_EQ(OriginName(Origin::kNginx), "nginx");
  EXPECT_EQ(OriginName(Origin::kUpstream), "upstream");
  EXPECT_EQ(OriginName(Origin::kCache), "cache");
  EXPECT_EQ(OriginName(Origin::kConfig), "config");
}

TEST(CauseTest, KnowsProtocolsByNginxSchemes) {
  const struct {
    absl::string_view schema;
    Protocol protocol;
    absl::string_view name;
    absl::string_view prefix;
  } kCases[] = {
      {"http://", Protocol::kHttp, "http", "proxy"},
      {"https://", Protocol::kHttps, "https", "proxy"},
      {"https", Protocol::kHttps, "https", "proxy"},
      {"fastcgi://", Protocol::kFastcgi, "fastcgi", "fastcgi"},
      {"uwsgi://", Protocol::kUwsgi, "uwsgi", "uwsgi"},
      {"suwsgi://", Protocol::kSuwsgi, "suwsgi", "uwsgi"},
      {"scgi://", Protocol::kScgi, "scgi", "scgi"},
      {"grpc://", Protocol::kGrpc, "grpc", "grpc"},
      {"grpcs://", Protocol::kGrpcs, "grpcs", "grpc"},
      {"memcached://", Protocol::kMemcached, "memcached", "memcached"},
      {"tunnel", Protocol::kTunnel, "tunnel", "tunnel"},
      {"", Protocol::kUnknown, "unknown", "proxy"},
      {"gopher://", Protocol::kUnknown, "unknown", "proxy"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ParseProtocol(c.schema), c.protocol) << c.schema;
    EXPECT_EQ(ProtocolName(c.protocol), c.name);
    EXPECT_EQ(DirectivePrefix(c.protocol), c.prefix);
  }
}

// A new enumerator without a name, or a count left behind, shows here.
TEST(CauseTest, CountsEndWithTheLastEnumerator) {
  EXPECT_EQ(Info(static_cast<Cause>(kCauseCount)).cause, Cause::kUnknown);
  EXPECT_EQ(static_cast<size_t>(Phase::kBody), kPhaseCount - 1);
  EXPECT_EQ(PhaseName(static_cast<Phase>(kPhaseCount - 1)), "body");
  EXPECT_EQ(PhaseName(static_cast<Phase>(kPhaseCount)), "");
  EXPECT_EQ(static_cast<size_t>(Origin::kConfig), kOriginCount - 1);
  EXPECT_EQ(OriginName(static_cast<Origin>(kOriginCount - 1)), "config");
  EXPECT_EQ(OriginName(static_cast<Origin>(kOriginCount)), "");
  EXPECT_EQ(static_cast<size_t>(Protocol::kTunnel), kProtocolCount - 1);
  EXPECT_EQ(ProtocolName(static_cast<Protocol>(kProtocolCount - 1)), "tunnel");
  EXPECT_EQ(ProtocolName(static_cast<Protocol>(kProtocolCount)), "unknown");
  EXPECT_EQ(std::size(kResponseCodes), kResponseCodeCount);
}

TEST(CauseTest, EveryNameIsThereAndOnlyOnce) {
  std::set<absl::string_view> phases;
  for (size_t i = 0; i < kPhaseCount; ++i) {
    phases.insert(PhaseName(static_cast<Phase>(i)));
  }
  EXPECT_EQ(phases.size(), kPhaseCount);
  EXPECT_EQ(phases.count(""), 0U);
  std::set<absl::string_view> protocols;
  for (size_t i = 0; i < kProtocolCount; ++i) {
    protocols.insert(ProtocolName(static_cast<Protocol>(i)));
  }
  EXPECT_EQ(protocols.size(), kProtocolCount);
}

}  // namespace
}  // namespace upstream_502
