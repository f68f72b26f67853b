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
            "cause, finding, incident, window, since, limit or follow");
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

TEST(ParseQuery, KnowsWhoFollows) {
  EXPECT_FALSE(Parsed("").follow);
  EXPECT_FALSE(ParseQuery("since=5", "7")->resume) << "nor goes on";
  for (const char* args : {"follow", "follow=", "follow=1", "%66ollow"}) {
    const Query query = Parsed(args);
    EXPECT_TRUE(query.follow);
    EXPECT_FALSE(query.resume);
    EXPECT_EQ(query.limit, 10U);
  }
  EXPECT_EQ(Parsed("limit=3&follow").limit, 3U);
  for (const char* args : {"since=7&follow", "follow&since=7"}) {
    const Query query = Parsed(args);
    ASSERT_TRUE(query.resume);
    EXPECT_EQ(query.resume->event, 7U);
    EXPECT_EQ(query.resume->limit, 1000U);
    EXPECT_EQ(query.since, 0U) << "filters nothing";
  }
  EXPECT_EQ(Parsed("follow&since=0&limit=3").resume->limit, 3U);
  EXPECT_TRUE(Parsed("follow&since=0").resume);
}

TEST(ParseQuery, LetsTheHeaderSayWhereOneGoesOn) {
  EXPECT_EQ(ParseQuery("follow", "9")->resume->event, 9U);
  EXPECT_EQ(ParseQuery("follow&since=7", "9")->resume->event, 9U);
  for (const char* last :
       {"", "x", "-1", " 1", "1 ", "18446744073709551616", "0x1", "1.0"}) {
    EXPECT_FALSE(ParseQuery("follow", last)->resume) << last;
    EXPECT_EQ(ParseQuery("follow&since=7", last)->resume->event, 7U) << last;
  }
}

TEST(ParseQuery, RefusesWhatCannotBeFollowed) {
  EXPECT_EQ(Complaint("follow=no"),
            "invalid value \"no\" of argument \"follow\", must be empty or 1");
  EXPECT_EQ(Complaint("follow&format=html"),
            "invalid value \"html\" of argument \"format\", must be json or "
            "text with follow");
  EXPECT_EQ(Complaint("format=prometheus&follow"),
            "invalid value \"prometheus\" of argument \"format\", must be json "
            "or text with follow");
  Complaint("follow&follow");
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

}  // namespace
}  // namespace upstream_502
