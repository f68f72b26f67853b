#include "upstream_502/report/query.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "report/sample.h"

namespace upstream_502 {
namespace {

Query Parsed(absl::string_view args) {
  const absl::StatusOr<Query> query = ParseQuery(args);
  EXPECT_TRUE(query.ok()) << query.status();
  return query.value_or(Query{});
}

std::string Complaint(absl::string_view args) {
  const absl::StatusOr<Query> query = ParseQuery(args);
  EXPECT_EQ(query.status().code(), absl::StatusCode::kInvalidArgument) << args;
  return std::string(query.status().message());
}

TEST(ParseQuery, HasDefaults) {
  for (const char* args : {"", "&", "&&"}) {
    const Query query = Parsed(args);
    EXPECT_EQ(query.format, Format::kAuto);
    EXPECT_FALSE(query.upstream.has_value());
    EXPECT_FALSE(query.peer.has_value());
    EXPECT_FALSE(query.cause.has_value());
    EXPECT_FALSE(query.finding.has_value());
    EXPECT_EQ(query.since, 0U);
    EXPECT_EQ(query.limit, 100U);
  }
}

TEST(ParseQuery, ReadsEveryArgument) {
  const Query query = Parsed(
      "format=json&upstream=php&peer=127.0.0.1:9000&cause=keepalive_race&"
      "finding=port_closed&since=18446744073709551615&limit=0");
  EXPECT_EQ(query.format, Format::kJson);
  EXPECT_EQ(query.upstream, "php");
  EXPECT_EQ(query.peer, "127.0.0.1:9000");
  EXPECT_EQ(query.cause, Cause::kKeepaliveRace);
  EXPECT_EQ(query.finding, Finding::kPortClosed);
  EXPECT_EQ(query.since, UINT64_MAX);
  EXPECT_EQ(query.limit, 0U);
}

TEST(ParseQuery, KnowsTheFormats) {
  EXPECT_EQ(Parsed("format=html").format, Format::kHtml);
  EXPECT_EQ(Parsed("format=text").format, Format::kText);
  EXPECT_EQ(Parsed("format=prometheus").format, Format::kPrometheus);
}

TEST(ParseQuery, UndoesUrlEncoding) {
  EXPECT_EQ(Parsed("peer=unix%3A%2Frun%2Fa+b%2bc.sock").peer,
            "unix:/run/a b+c.sock");
  EXPECT_EQ(Parsed("%6cimit=5").limit, 5U);
  EXPECT_EQ(Parsed("upstream=a=b").upstream, "a=b");
}

TEST(ParseQuery, NamesAnUnknownArgument) {
  EXPECT_EQ(Complaint("fromat=json"),
            "unknown argument \"fromat\", must be format, upstream, peer, "
            "cause, finding, incident, window, since or limit");
  Complaint("=");
  Complaint("Limit=5");
}

TEST(ParseQuery, NamesABadValueAndWhatIsAllowed) {
  EXPECT_EQ(
      Complaint("limit=10001"),
      "invalid value \"10001\" of argument \"limit\", must be 0 to 10000");
  EXPECT_EQ(Complaint("format=xml"),
            "invalid value \"xml\" of argument \"format\", must be html, json, "
            "text or prometheus");
  const std::string cause = Complaint("cause=refused");
  EXPECT_NE(cause.find("\"refused\""), std::string::npos);
  EXPECT_NE(cause.find("connection_refused, "), std::string::npos);
  EXPECT_NE(cause.find("unknown"), std::string::npos);
  const std::string finding = Complaint("finding=closed");
  EXPECT_NE(finding.find("\"closed\""), std::string::npos);
  EXPECT_NE(finding.find("port_closed, "), std::string::npos);
  EXPECT_NE(finding.find("only_large"), std::string::npos);
}

TEST(ParseQuery, ReadsIncidentAndWindow) {
  EXPECT_EQ(Parsed("incident=7").incident, 7U);
  EXPECT_FALSE(Parsed("").incident.has_value());
  EXPECT_EQ(Parsed("window=1h").window, Window::kHour);
  EXPECT_EQ(Parsed("window=1d").window, Window::kDay);
  EXPECT_EQ(Parsed("window=7d").window, Window::kWeek);
  EXPECT_EQ(
      Complaint("window=2h"),
      "invalid value \"2h\" of argument \"window\", must be 1h, 1d or 7d");
  EXPECT_EQ(
      Complaint("incident=last"),
      "invalid value \"last\" of argument \"incident\", must be the id of "
      "an incident");
}

TEST(ParseQuery, TakesOnlyDigitsForANumber) {
  for (const char* value : {"", "-1", "+1", "1x", "0x10", "1.0", "%201", "1 ",
                            "18446744073709551616"}) {
    Complaint(absl::StrCat("limit=", value));
    Complaint(absl::StrCat("since=", value));
  }
  Complaint("limit");
}

TEST(ParseQuery, RefusesEmptyNamesAndBadEscapes) {
  for (const char* args :
       {"upstream=", "peer=", "cause=", "finding=", "format=", "format",
        "peer=%", "peer=%4", "peer=%zz", "peer=%4g"}) {
    Complaint(args);
  }
}

TEST(ParseQuery, RefusesAnArgumentGivenTwice) {
  EXPECT_EQ(Complaint("limit=5&limit=5"), "duplicate argument \"limit=5\"");
  Complaint("limit=5&limit=6");
  Complaint("cause=unknown&%63ause=unknown");
  Parsed("since=5&limit=5");
}

TEST(ParseQuery, ComplainsInOneShortPrintableLine) {
  std::string nasty;
  for (const char c : std::string(kNasty) + std::string(5000, 'x')) {
    nasty +=
        absl::StrCat("%", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
  }
  for (const char* args : {"", "format=", "cause=", "limit="}) {
    const std::string complaint = Complaint(args + nasty);
    EXPECT_LT(complaint.size(), 1000U);
    for (const char c : complaint) {
      EXPECT_GE(static_cast<uint8_t>(c), 0x20);
      EXPECT_NE(static_cast<uint8_t>(c), 0xff);
    }
  }
}

// What is left of the sample, by name and id.
std::string Left(absl::string_view args) {
  Snapshot snapshot = SampleReport().snapshot;
  Apply(Parsed(args), &snapshot);
  EXPECT_EQ(snapshot.totals.requests, 1100U);
  std::string left;
  for (const UpstreamStats& upstream : snapshot.upstreams) {
    absl::StrAppend(&left, upstream.name, "[");
    for (const PeerStats& peer : upstream.peers) {
      absl::StrAppend(&left, peer.addr, " ");
    }
    absl::StrAppend(&left, "] ");
  }
  for (const Event& event : snapshot.events) {
    absl::StrAppend(&left, event.id, " ");
  }
  return left;
}

TEST(Apply, KeepsEverythingWithoutAFilter) {
  EXPECT_EQ(Left(""),
            "(none)[] api[10.0.0.1:80 ] php[127.0.0.1:9000 127.0.0.1:9001 ] "
            "unseen[10.0.0.1:80 ] 12 11 ");
}

TEST(Apply, FiltersByUpstream) {
  EXPECT_EQ(Left("upstream=php"), "php[127.0.0.1:9000 127.0.0.1:9001 ] 11 ");
  EXPECT_EQ(Left("upstream=PHP"), "");
}

TEST(Apply, FiltersByPeer) {
  EXPECT_EQ(Left("peer=127.0.0.1:9000"), "php[127.0.0.1:9000 ] 11 ");
  EXPECT_EQ(Left("peer=10.0.0.1:80&upstream=api"), "api[10.0.0.1:80 ] ");
}

TEST(Apply, FiltersByCauseAndLeavesCountsWhole) {
  EXPECT_EQ(Left("cause=error_status"), "php[127.0.0.1:9000 127.0.0.1:9001 ] ");
  EXPECT_EQ(Left("cause=resolver_missing"), "12 ");
  Snapshot snapshot = SampleReport().snapshot;
  Apply(Parsed("cause=error_status"), &snapshot);
  EXPECT_EQ(CountOf(snapshot.upstreams[0].causes, Cause::kConnectionRefused),
            10U);
}

TEST(Apply, FiltersByFindingAndLeavesCountsWhole) {
  const std::string php = "php[127.0.0.1:9000 127.0.0.1:9001 ] ";
  EXPECT_EQ(Left("finding=port_closed"), php + "11 ");
  EXPECT_EQ(Left("finding=port_closed&limit=0"), php);
  EXPECT_EQ(Left("finding=port_closed&since=11"), php);
  EXPECT_EQ(Left("finding=only_large"), "");
  Snapshot snapshot = SampleReport().snapshot;
  CountOf(snapshot.upstreams[2].findings, Finding::kSentAgain) = 3;
  Apply(Parsed("finding=port_closed"), &snapshot);
  EXPECT_EQ(CountOf(snapshot.upstreams.at(0).findings, Finding::kSentAgain),
            3U);
}

TEST(Apply, KeepsTheNewestOfThoseWithTheFinding) {
  Snapshot snapshot;
  for (uint64_t id = 20; id > 0; --id) {
    snapshot.events.push_back(id % 3 == 0 ? SampleEvent(id)
                                          : SampleBareEvent(id));
  }
  Apply(Parsed("finding=port_closed&limit=4"), &snapshot);
  ASSERT_EQ(snapshot.events.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(snapshot.events[i].id, 18 - 3 * i);
    EXPECT_EQ(snapshot.events[i].upstream, "php");
  }
}

TEST(Apply, CutsEventsByIdAndNumber) {
  const std::string all = Left("limit=0");
  EXPECT_EQ(Left("since=11"), all + "12 ");
  EXPECT_EQ(Left("since=12"), all);
  EXPECT_EQ(Left("limit=1"), all + "12 ");
  // The limit counts what the other filters left.
  EXPECT_EQ(Left("limit=1&upstream=php"),
            "php[127.0.0.1:9000 127.0.0.1:9001 ] 11 ");
}

TEST(Apply, LeavesOneIncidentItsUpstreamAndItsEvents) {
  Snapshot snapshot = SampleReport().snapshot;
  Apply(Parsed("incident=2"), &snapshot);
  ASSERT_EQ(snapshot.incidents.size(), 1U);
  EXPECT_EQ(snapshot.incidents[0].id, 2U);
  ASSERT_EQ(snapshot.upstreams.size(), 1U);
  EXPECT_EQ(snapshot.upstreams[0].name, "php");
  ASSERT_EQ(snapshot.events.size(), 1U);
  EXPECT_EQ(snapshot.events[0].incident, 2U);
  Apply(Parsed("incident=3"), &snapshot);
  EXPECT_TRUE(snapshot.incidents.empty());
  EXPECT_TRUE(snapshot.upstreams.empty());
  EXPECT_TRUE(snapshot.events.empty());
}

TEST(Apply, LeavesTheIncidentsThatAFilterNames) {
  const auto left = [](absl::string_view args) {
    Snapshot snapshot = SampleReport().snapshot;
    Apply(Parsed(args), &snapshot);
    return snapshot.incidents.size();
  };
  EXPECT_EQ(left(""), 2U);
  EXPECT_EQ(left("upstream=php"), 2U);
  EXPECT_EQ(left("upstream=api"), 0U);
  EXPECT_EQ(left("cause=read_timeout"), 2U);
  EXPECT_EQ(left("cause=dns_error"), 0U);
  EXPECT_EQ(left("finding=port_closed"), 2U);
  EXPECT_EQ(left("finding=oom_kill"), 0U);
  EXPECT_EQ(left("peer=127.0.0.1:9000"), 2U);
  EXPECT_EQ(left("peer=127.0.0.1:9009"), 0U);
}

TEST(Apply, KeepsTheFirstEventOfAnIncident) {
  Snapshot snapshot = SampleReport().snapshot;
  snapshot.events.clear();
  for (uint64_t id = 20; id > 0; --id) {
    snapshot.events.push_back(SampleEvent(id));
    snapshot.events.back().incident = 2;
  }
  Apply(Parsed("incident=2&limit=3"), &snapshot);
  ASSERT_EQ(snapshot.events.size(), 3U);
  EXPECT_EQ(snapshot.events[0].id, 20U);
  EXPECT_EQ(snapshot.events[1].id, 19U);
  EXPECT_EQ(snapshot.events[2].id, 1U);
}

}  // namespace
}  // namespace upstream_502
