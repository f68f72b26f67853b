#include "upstream_502/report/json.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "report/json.h"
#include "report/sample.h"
#include "upstream_502/report/json_event.h"

namespace upstream_502 {
namespace {

Json Parsed(const std::string& text) {
  std::optional<Json> json = JsonReader::Read(text);
  EXPECT_TRUE(json.has_value()) << text;
  return json.value_or(Json{});
}

Json JsonOf(Excerpt excerpt) {
  excerpt.Choose(SIZE_MAX);
  return Parsed(RenderAll(*MakeJsonRenderer(excerpt)));
}

Json JsonOf(const Event& event) {
  std::string out;
  AppendEventJson(event, &out);
  return Parsed(out);
}

// "[1,2,3]" of numbers, "" of anything else.
std::string Numbers(const Json& array) {
  std::string text;
  for (const Json& element : array.elements) {
    absl::StrAppend(&text, text.empty() ? "" : ",",
                    element.kind == Json::Kind::kNumber ? element.text : "?");
  }
  return text;
}

TEST(JsonReader, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", "{", "{}}", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{a:1}",
        "01", "1.", "nan", "-", "'a'", "\"\n\"", "\"\\x\"", "\"\xff\"",
        "\"\xed\xa0\x80\"", "[1 2]", "nul"}) {
    EXPECT_FALSE(JsonReader::Read(text).has_value()) << text;
  }
}

TEST(JsonRenderer, HasTheKeysOfTheContractInItsOrder) {
  const Json json = JsonOf(SampleReport());
  EXPECT_EQ(json.Keys(),
            "schema server zone totals upstreams diagnoses incidents events");
  EXPECT_EQ(json["schema"].text, "1");
  EXPECT_EQ(json["server"].Keys(),
            "hostname nginx_version module_version pid time start_time "
            "load_time generation restarts");
  EXPECT_EQ(json["zone"].Keys(),
            "name size peers peers_max events events_max incidents "
            "incidents_max overflow");
  EXPECT_EQ(json["totals"].Keys(),
            "requests attempts failures rescued responses origins causes "
            "findings history");
  EXPECT_EQ(json["totals"]["history"].Keys(),
            "interval_ms start requests causes");
  const Json& upstream = json["upstreams"].elements.at(1);
  EXPECT_EQ(upstream.Keys(),
            "name protocol requests attempts failures rescued responses causes "
            "errno_classes findings incidents grpc_responses history "
            "time_to_failure peers");
  EXPECT_EQ(upstream["history"].Keys(),
            "interval_ms start requests failures responses_502");
  EXPECT_EQ(upstream["time_to_failure"].Keys(), "le counts sum count");
  EXPECT_EQ(upstream["peers"].elements.at(0).Keys(),
            "addr attempts failures causes errno_classes first_failure "
            "last_failure last_cause last_success");
  EXPECT_EQ(json["diagnoses"].elements.at(0).Keys(),
            "upstream severity pattern cause share since peers summary hint "
            "findings checks");
}

TEST(JsonRenderer, WritesServerAndZone) {
  const Json json = JsonOf(SampleReport());
  EXPECT_EQ(json["server"]["hostname"].text, "web-1");
  EXPECT_EQ(json["server"]["time"].text, "1763675011000");
  EXPECT_EQ(json["server"]["generation"].text, "3");
  EXPECT_EQ(json["zone"]["size"].text, "4194304");
  EXPECT_EQ(json["zone"]["peers_max"].text, "1024");
}

TEST(JsonRenderer, SumsResponsesByCodeAndByOrigin) {
  const Json totals = JsonOf(SampleReport())["totals"];
  EXPECT_EQ(totals["responses"].Keys(), "500 502 504");
  EXPECT_EQ(totals["responses"]["500"].text, "0");
  EXPECT_EQ(totals["responses"]["502"].text, "14");
  EXPECT_EQ(totals["responses"]["504"].text, "1");
  EXPECT_EQ(totals["origins"].Keys(), "nginx upstream cache config");
  EXPECT_EQ(totals["origins"]["nginx"].text, "6");
  EXPECT_EQ(totals["origins"]["upstream"].text, "2");
  EXPECT_EQ(totals["origins"]["cache"].text, "0");
  EXPECT_EQ(totals["origins"]["config"].text, "7");
}

TEST(JsonRenderer, ListsOnlyCausesThatHappened) {
  const Json json = JsonOf(SampleReport());
  EXPECT_EQ(json["totals"]["causes"].Keys(), "connection_refused error_status");
  EXPECT_EQ(json["totals"]["history"]["causes"].Keys(), "connection_refused");
  const Json& api = json["upstreams"].elements.at(0);
  const Json& php = json["upstreams"].elements.at(1);
  EXPECT_EQ(api["causes"].Keys(), "");
  EXPECT_EQ(api["causes"].kind, Json::Kind::kObject);
  EXPECT_EQ(php["causes"]["connection_refused"].text, "10");
  EXPECT_EQ(php["errno_classes"].Keys(), "refused");
  EXPECT_EQ(php["peers"].elements.at(1)["causes"].Keys(), "error_status");
}

TEST(JsonRenderer, ListsOnlyStatusesOfGrpcThatCame) {
  Report report = SampleReport();
  EXPECT_EQ(JsonOf(report)["upstreams"].elements.at(1)["grpc_responses"].Keys(),
            "");
  report.snapshot.upstreams[2].grpc_statuses[0] = 1;
  report.snapshot.upstreams[2].grpc_statuses[13] = 2;
  const Json json = JsonOf(report);
  const Json& counts = json["upstreams"].elements.at(1)["grpc_responses"];
  EXPECT_EQ(counts.Keys(), "1 14");
  EXPECT_EQ(counts["14"].text, "2");
}

TEST(JsonRenderer, ListsOnlyFindingsThatWereMade) {
  const Json json = JsonOf(SampleReport());
  const Json& php = json["upstreams"].elements.at(1);
  EXPECT_EQ(php["findings"].Keys(), "port_closed");
  EXPECT_EQ(php["findings"]["port_closed"].text, "9");
  EXPECT_EQ(json["totals"]["findings"].Keys(), "port_closed");
  EXPECT_EQ(json["upstreams"].elements.at(0)["findings"].Keys(), "");
  const Json& found =
      json["diagnoses"].elements.at(0)["findings"].elements.at(0);
  EXPECT_EQ(found.Keys(), "name text count");
  EXPECT_EQ(found["name"].text, "port_closed");
  EXPECT_EQ(found["text"].text, "nothing listens on port 9000 of this machine");
  EXPECT_EQ(found["count"].text, "9");
}

TEST(JsonRenderer, HasSixtyMinutesInEveryHistory) {
  const Json json = JsonOf(SampleReport());
  const Json& total = json["totals"]["history"];
  EXPECT_EQ(total["interval_ms"].text, "60000");
  EXPECT_EQ(total["requests"].elements.size(), 60U);
  EXPECT_EQ(total["causes"]["connection_refused"].elements.size(), 60U);
  EXPECT_EQ(total["causes"]["connection_refused"].elements.at(59).text, "10");
  const Json& php = json["upstreams"].elements.at(1)["history"];
  EXPECT_EQ(php["requests"].elements.at(58).text, "40");
  EXPECT_EQ(php["failures"].elements.at(59).text, "10");
  EXPECT_EQ(php["responses_502"].elements.at(59).text, "6");
  EXPECT_EQ(php["responses_502"].elements.size(), 60U);
  EXPECT_EQ(php["start"].text, total["start"].text);
}

TEST(JsonRenderer, SeparatesCauseHistoriesWithCommas) {
  Report report = SampleReport();
  for (auto& minutes : report.snapshot.totals.causes_history) {
    minutes[0] = 1;
  }
  const Json json = JsonOf(report);
  EXPECT_EQ(json["totals"]["history"]["causes"].elements.size(), kCauseCount);
}

TEST(JsonRenderer, HasOneMoreBucketThanBounds) {
  const Json times =
      JsonOf(SampleReport())["upstreams"].elements.at(1)["time_to_failure"];
  EXPECT_EQ(Numbers(times["le"]),
            "1,5,10,50,100,500,1000,5000,10000,30000,60000,120000");
  EXPECT_EQ(Numbers(times["counts"]), "10,0,0,0,0,0,0,0,0,0,0,0,2");
  EXPECT_EQ(times["sum"].text, "400004");
  EXPECT_EQ(times["count"].text, "12");
}

TEST(JsonRenderer, SaysNullForWhatNeverHappenedToAPeer) {
  const Json json = JsonOf(SampleReport());
  const Json& well = json["upstreams"].elements.at(0)["peers"].elements.at(0);
  EXPECT_TRUE(well["first_failure"].IsNull());
  EXPECT_TRUE(well["last_failure"].IsNull());
  EXPECT_TRUE(well["last_cause"].IsNull());
  EXPECT_EQ(well["last_success"].text, "1763675009000");
  const Json& ill = json["upstreams"].elements.at(1)["peers"].elements.at(0);
  EXPECT_EQ(ill["last_failure"].text, "1763675007750");
  EXPECT_EQ(ill["last_cause"].text, "connection_refused");
}

TEST(JsonRenderer, ListsOnlyRealUpstreamsThatHadARequest) {
  const Json json = JsonOf(SampleReport());
  ASSERT_EQ(json["upstreams"].elements.size(), 2U);
  EXPECT_EQ(json["upstreams"].elements[0]["name"].text, "api");
  EXPECT_EQ(json["upstreams"].elements[1]["name"].text, "php");
  EXPECT_EQ(json["upstreams"].elements[1]["protocol"].text, "fastcgi");
  EXPECT_EQ(json["upstreams"].elements[1]["peers"].elements.size(), 2U);
}

TEST(JsonRenderer, WritesDiagnosesOfTheUpstreamsThatAreLeft) {
  Report report = SampleReport();
  report.diagnoses.insert(report.diagnoses.begin(), Diagnosis{});
  report.diagnoses[0].upstream = "filtered";
  const Json json = JsonOf(report);
  ASSERT_EQ(json["diagnoses"].elements.size(), 1U);
  const Json& diagnosis = json["diagnoses"].elements[0];
  EXPECT_EQ(diagnosis["upstream"].text, "php");
  EXPECT_EQ(diagnosis["severity"].text, "degraded");
  EXPECT_EQ(diagnosis["pattern"].text, "partial");
  EXPECT_EQ(diagnosis["cause"].text, "connection_refused");
  EXPECT_EQ(diagnosis["share"].text, "0.833333");
  EXPECT_EQ(diagnosis["since"].text, "1763674411000");
  EXPECT_EQ(diagnosis["peers"].elements.at(0).text, "127.0.0.1:9000");
  EXPECT_EQ(diagnosis["checks"].elements.at(0).text,
            "ss -ltnp 'sport = :9000'");
}

TEST(JsonRenderer, StaysJsonWithAShareThatIsNoNumber) {
  Report report = SampleReport();
  for (const double share : {0.0 / 0.0, -1.0, 2.0, 1e-9}) {
    report.diagnoses[0].share = share;
    EXPECT_EQ(JsonOf(report)["diagnoses"].elements.size(), 1U) << share;
  }
}

TEST(JsonRenderer, WritesAnEmptyReport) {
  const Json json = JsonOf(Report{});
  EXPECT_EQ(json["upstreams"].kind, Json::Kind::kArray);
  EXPECT_EQ(json["upstreams"].elements.size(), 0U);
  EXPECT_EQ(json["diagnoses"].kind, Json::Kind::kArray);
  EXPECT_EQ(json["events"].kind, Json::Kind::kArray);
  EXPECT_EQ(json["totals"]["history"]["causes"].kind, Json::Kind::kObject);
}

TEST(JsonRenderer, SurvivesHostileText) {
  const std::string text = RenderAll(*MakeJsonRenderer(NastyReport()));
  EXPECT_FALSE(absl::StrContains(text, "<"));
  const Json json = Parsed(text);
  EXPECT_EQ(json["events"].elements.size(), 2U);
  EXPECT_TRUE(absl::StartsWith(json["events"].elements.at(0)["uri"].text,
                               "</script><b onload=\"x\">'\\\"\n\r\t\x01\x1b"));
}

TEST(JsonRenderer, WorksInPieces) {
  Report report = SampleReport();
  for (uint64_t i = 0; i < 200; ++i) {
    report.snapshot.events.push_back(SampleEvent(200 - i));
    report.snapshot.upstreams.push_back(
        SampleHealthy(absl::StrCat("z", 1000 + i)));
    for (int peer = 0; peer < 30; ++peer) {
      report.snapshot.upstreams.back().peers.push_back(
          SamplePeer(absl::StrCat("10.0.1.", peer), 1, 1, Cause::kUnknown));
    }
  }
  const Excerpt excerpt(report);
  const auto renderer = MakeJsonRenderer(excerpt);
  std::string all;
  std::string piece;
  while (renderer->Next(&piece)) {
    EXPECT_GT(piece.size(), 0U);
    EXPECT_LE(piece.size(), 16384U);
    all += piece;
    piece.clear();
  }
  EXPECT_EQ(piece, "");
  EXPECT_FALSE(renderer->Next(&piece));
  EXPECT_EQ(all, RenderAll(*MakeJsonRenderer(report)));
  const Json json = Parsed(all);
  EXPECT_EQ(json["upstreams"].elements.size(), 202U);
  EXPECT_EQ(json["upstreams"].elements.back()["peers"].elements.size(), 31U);
  EXPECT_EQ(json["events"].elements.size(), 202U);
}

TEST(AppendEventJson, HasEveryKeyWhateverIsKnown) {
  const char kKeys[] =
      "id time upstream peer protocol cause phase errno errno_name errno_class "
      "attempt attempts status client_status rescued received_status "
      "connect_time header_time response_time bytes_sent bytes_received reused "
      "limit method host uri request_id message incident target hint findings "
      "evidence";
  EXPECT_EQ(JsonOf(SampleEvent(1)).Keys(), kKeys);
  EXPECT_EQ(JsonOf(SampleBareEvent(1)).Keys(), kKeys);
  EXPECT_EQ(JsonOf(Event{}).Keys(), kKeys);
}

TEST(AppendEventJson, WritesWhatIsKnown) {
  Event event = SampleEvent(11);
  event.failure.received_status = 503;
  event.failure.connect_time = 0;
  event.failure.header_time = 12;
  event.failure.bytes_sent = 345;
  event.failure.limit = 4096;
  event.failure.reused = 1;
  const Json json = JsonOf(event);
  EXPECT_EQ(json["id"].text, "11");
  EXPECT_EQ(json["time"].text, "1763675007750");
  EXPECT_EQ(json["peer"].text, "127.0.0.1:9000");
  EXPECT_EQ(json["protocol"].text, "fastcgi");
  EXPECT_EQ(json["cause"].text, "connection_refused");
  EXPECT_EQ(json["phase"].text, "connect");
  EXPECT_EQ(json["errno"].text, "111");
  EXPECT_EQ(json["errno_name"].text, "ECONNREFUSED");
  EXPECT_EQ(json["errno_class"].text, "refused");
  EXPECT_EQ(json["status"].text, "502");
  EXPECT_EQ(json["client_status"].text, "200");
  EXPECT_EQ(json["received_status"].text, "503");
  EXPECT_EQ(json["rescued"].text, "true");
  EXPECT_EQ(json["reused"].text, "true");
  EXPECT_EQ(json["connect_time"].text, "0");
  EXPECT_EQ(json["header_time"].text, "12");
  EXPECT_EQ(json["bytes_sent"].text, "345");
  EXPECT_EQ(json["limit"].text, "4096");
  EXPECT_EQ(json["message"].text, "connect() failed (111: Connection refused)");
}

TEST(AppendEventJson, SaysNullForWhatIsNotKnown) {
  const Json json = JsonOf(SampleBareEvent(1));
  for (const char* key :
       {"peer", "errno", "errno_name", "errno_class", "status", "client_status",
        "received_status", "connect_time", "header_time", "response_time",
        "limit", "method", "host", "uri", "request_id", "message", "target",
        "evidence"}) {
    EXPECT_TRUE(json[key].IsNull()) << key;
  }
  EXPECT_EQ(json["upstream"].text, "api");
  EXPECT_EQ(json["protocol"].text, "unknown");
  EXPECT_EQ(json["attempt"].text, "0");
  EXPECT_EQ(json["bytes_sent"].text, "0");
  EXPECT_EQ(json["rescued"].text, "false");
  EXPECT_EQ(json["reused"].text, "false");
}

TEST(AppendEventJson, TellsWhatWasFoundAndFromWhat) {
  const Json json = JsonOf(SampleEvent(1));
  ASSERT_EQ(json["findings"].elements.size(), 1U);
  const Json& found = json["findings"].elements[0];
  EXPECT_EQ(found.Keys(), "name text");
  EXPECT_EQ(found["name"].text, "port_closed");
  EXPECT_TRUE(absl::StrContains(found["text"].text, "9000"));
  EXPECT_EQ(json["evidence"]["listening"].text, "false");
}

TEST(AppendEventJson, HasNoFindingsWhereNothingWasAsked) {
  const Json json = JsonOf(SampleBareEvent(1));
  EXPECT_EQ(json["findings"].kind, Json::Kind::kArray);
  EXPECT_EQ(json["findings"].elements.size(), 0U);
  EXPECT_TRUE(json["evidence"].IsNull());
}

TEST(AppendEventJson, IsOneLine) {
  Event event = SampleEvent(1);
  event.uri = event.message = event.host = kNasty;
  std::string out;
  AppendEventJson(event, &out);
  EXPECT_FALSE(absl::StrContains(out, "\n"));
  EXPECT_FALSE(absl::StrContains(out, "\r"));
}

TEST(JsonRenderer, HistoryIsThatOfTheWindow) {
  Report report = SampleReport();
  Snapshot& snapshot = report.snapshot;
  snapshot.totals.hours_start = 1700000000000 / kHourMs * kHourMs;
  snapshot.totals.requests_hours.resize(kHistoryHours, 7);
  for (auto& hours : snapshot.totals.causes_hours) {
    hours.resize(kHistoryHours);
  }
  snapshot.totals.causes_hours[0].back() = 5;
  for (UpstreamStats& upstream : snapshot.upstreams) {
    upstream.hours.resize(kHistoryHours);
    upstream.hours.back() = {9, 8, 7};
  }
  for (const Window window : {Window::kDay, Window::kWeek}) {
    Query query;
    query.window = window;
    const Json json = JsonOf(Excerpt(report, query));
    const Json& totals = json["totals"]["history"];
    const size_t hours = HoursOf(window);
    EXPECT_EQ(totals["interval_ms"].text, "3600000");
    EXPECT_EQ(
        totals["start"].text,
        absl::StrCat(snapshot.totals.hours_start +
                     static_cast<int64_t>(kHistoryHours - hours) * kHourMs));
    EXPECT_EQ(totals["requests"].elements.size(), hours);
    EXPECT_EQ(totals["causes"].Keys(), CauseName(static_cast<Cause>(0)));
    const Json& history = json["upstreams"].elements[0]["history"];
    EXPECT_EQ(history["interval_ms"].text, "3600000");
    EXPECT_EQ(history["start"].text, totals["start"].text);
    EXPECT_EQ(history["requests"].elements.size(), hours);
    EXPECT_EQ(history["requests"].elements.back().text, "9");
    EXPECT_EQ(history["failures"].elements.back().text, "8");
    EXPECT_EQ(history["responses_502"].elements.back().text, "7");
  }
}

}  // namespace
}  // namespace upstream_502
