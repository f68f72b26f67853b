// The JSON of one request, for the access log.

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "report/json.h"
#include "report/sample.h"
#include "upstream_502/report/json_event.h"

namespace upstream_502 {
namespace {

Json JsonOf(const RequestReport& request) {
  const std::string text = RequestJson(request);
  const std::optional<Json> json = JsonReader::Read(text);
  EXPECT_TRUE(json.has_value()) << text;
  return json.value_or(Json{});
}

TEST(RequestJson, HasTheKeysOfTheContractInItsOrder) {
  const char kKeys[] =
      "gateway origin causes failures event id time upstream peer protocol "
      "cause phase errno errno_name errno_class attempt attempts status "
      "client_status rescued received_status connect_time header_time "
      "response_time bytes_sent bytes_received reused limit method host uri "
      "request_id message incident target hint findings evidence";
  const Event event = SampleEvent(7);
  EXPECT_EQ(JsonOf({.event = &event}).Keys(), kKeys);
  const Event bare = SampleBareEvent(7);
  EXPECT_EQ(JsonOf({.event = &bare}).Keys(), kKeys);
}

TEST(RequestJson, SaysWhatTheRequestEndedWith) {
  const Event event = SampleEvent(7);
  const Json json = JsonOf({.gateway = true,
                            .origin = Origin::kUpstream,
                            .causes = "connection_refused, error_status",
                            .attempts = 9,
                            .failures = 2,
                            .client_status = 502,
                            .event = &event});
  EXPECT_EQ(json["gateway"].kind, Json::Kind::kBool);
  EXPECT_EQ(json["gateway"].text, "true");
  EXPECT_EQ(json["origin"].text, "upstream");
  EXPECT_EQ(json["causes"].text, "connection_refused, error_status");
  EXPECT_EQ(json["failures"].text, "2");
  EXPECT_EQ(json["event"].kind, Json::Kind::kNumber);
  EXPECT_EQ(json["event"].text, "7");
  // What the event says too is the event's.
  EXPECT_EQ(json["id"].text, "7");
  EXPECT_EQ(json["attempts"].text, "2");
  EXPECT_EQ(json["client_status"].text, "200");
  EXPECT_EQ(json["cause"].text, "connection_refused");
  EXPECT_EQ(json["rescued"].text, "true");
}

TEST(RequestJson, HasTheMembersOfTheStatusPage) {
  const Event event = SampleEvent(7);
  std::string text;
  AppendEventJson(event, &text);
  const Json json = JsonOf({.event = &event});
  const std::optional<Json> members = JsonReader::Read(text);
  ASSERT_TRUE(members.has_value());
  for (const std::string& key : members->keys) {
    EXPECT_EQ(json[key].text, (*members)[key].text) << key;
    EXPECT_EQ(json[key].kind, (*members)[key].kind) << key;
  }
}

TEST(RequestJson, HasNoOriginWhereItIsNoGatewayResponse) {
  const Event event = SampleEvent(7);
  const Json json =
      JsonOf({.gateway = false, .origin = Origin::kNginx, .event = &event});
  EXPECT_EQ(json["gateway"].text, "false");
  EXPECT_TRUE(json["origin"].IsNull());
}

TEST(RequestJson, NamesEveryOrigin) {
  for (size_t i = 0; i < kOriginCount; ++i) {
    const auto origin = static_cast<Origin>(i);
    EXPECT_EQ(JsonOf({.gateway = true, .origin = origin})["origin"].text,
              OriginName(origin));
  }
}

// A gateway response that no failed attempt led to.
TEST(RequestJson, NeedsNoFailure) {
  const Json json = JsonOf({.gateway = true,
                            .origin = Origin::kConfig,
                            .attempts = 3,
                            .client_status = 502});
  EXPECT_EQ(json.Keys(),
            "gateway origin causes failures hint findings evidence event "
            "incident attempts rescued client_status");
  EXPECT_EQ(json["origin"].text, "config");
  EXPECT_TRUE(json["causes"].IsNull());
  EXPECT_EQ(json["failures"].text, "0");
  EXPECT_TRUE(json["hint"].IsNull());
  EXPECT_TRUE(json["event"].IsNull());
  EXPECT_EQ(json["attempts"].text, "3");
  EXPECT_EQ(json["rescued"].kind, Json::Kind::kBool);
  EXPECT_EQ(json["rescued"].text, "false");
  EXPECT_EQ(json["client_status"].text, "502");
}

TEST(RequestJson, IsOneLineOfJsonWhateverTheText) {
  Event event = SampleEvent(7);
  event.upstream = event.peer = event.method = event.host = event.uri =
      event.request_id = event.message = kNasty;
  const std::string text = RequestJson({.causes = kNasty, .event = &event});
  EXPECT_TRUE(JsonReader::Read(text).has_value()) << text;
  EXPECT_FALSE(absl::StrContains(text, "\n"));
  EXPECT_FALSE(absl::StrContains(text, "<"));
}

}  // namespace
}  // namespace upstream_502
