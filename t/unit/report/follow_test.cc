#include "upstream_502/report/follow.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "report/json.h"
#include "report/sample.h"
#include "store/shared_memory.h"

namespace upstream_502 {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr int64_t kNow = kSampleNow;

class FollowingTest : public testing::Test {
 protected:
  FollowingTest() {
    app_ = store_.FindOrAddUpstream("app", Protocol::kHttp);
    web_ = store_.FindOrAddUpstream("web", Protocol::kHttp);
    peer_ = store_.FindOrAddPeer(app_, "10.0.0.1:80");
  }

  uint64_t Fail(uint32_t upstream, int64_t now = kNow,
                Cause cause = Cause::kReadTimeout,
                absl::string_view uri = "/x") {
    const Failure failure = {.time_ms = now, .cause = cause};
    store_.AddFailedAttempt(upstream, peer_, 0, now, failure);
    const uint64_t id = store_.ReserveEvents(1);
    store_.WriteEvent(id, failure,
                      {.upstream = upstream == app_ ? "app" : "web",
                       .peer = "10.0.0.1:80",
                       .uri = uri},
                      {upstream, peer_});
    return id;
  }
  Tail NewTail(int64_t now = kNow) {
    Tail tail(store_, now);
    Look(&tail, now);
    return tail;
  }
  static void Look(Tail* tail, int64_t now = kNow) {
    while (tail->Look(now, 100)) {
    }
  }
  static std::string All(Following* following, int64_t now = kNow) {
    std::string all;
    while (following->Next(now, &all)) {
    }
    return all;
  }

  const SharedMemory memory_{size_t{4} << 20};
  Store store_ = Store::Create(memory_.data(), memory_.size(), {2048}, kNow);
  uint32_t app_ = 0;
  uint32_t web_ = 0;
  uint32_t peer_ = 0;
};

Query Asked(absl::string_view args, absl::string_view last = "") {
  return ParseQuery(absl::StrCat("follow&", args), last).value();
}

// "failure 1 web, incident 1 app open, left_out 5": of lines of JSON, without
// signs of life.
std::string Brief(const std::string& text) {
  std::string brief;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line.substr(0, 6) == "data: ") {
      line.remove_prefix(6);
    }
    if (line[0] != '{') {
      continue;
    }
    const auto json = JsonReader::Read(std::string(line));
    EXPECT_TRUE(json.has_value()) << line;
    const Json object = json.value_or(Json{});
    const std::string type = object["type"].text;
    if (type != "alive") {
      absl::StrAppend(
          &brief, brief.empty() ? "" : ", ", type, " ",
          type == "left_out"
              ? object["count"].text
              : absl::StrCat(object["id"].text, " ", object["upstream"].text),
          type == "incident" ? " " + object["state"].text : "");
    }
  }
  return brief;
}

TEST_F(FollowingTest, BeginsWithTheLastTen) {
  for (int i = 0; i < 12; ++i) {
    Fail(i % 2 == 0 ? app_ : web_, kNow - kHourMs + i * kMinuteMs);
  }
  const Tail tail = NewTail();
  Following following(tail, Asked(""), FollowFormat::kJson, kNow);
  const std::string all = All(&following);
  EXPECT_THAT(all, StartsWith(R"({"type":"alive","time":1763675011000}
{"type":"failure","id":3,"time":)"));
  EXPECT_EQ(Brief(all).substr(0, 32), "failure 3 app, failure 4 web, fa");
  EXPECT_THAT(Brief(all), testing::EndsWith(", failure 12 web"));
  EXPECT_EQ(All(&following), "");
  EXPECT_FALSE(following.HasNews(kNow));
}

TEST_F(FollowingTest, TellsWhatComes) {
  Tail tail = NewTail();
  Following following(tail, Asked(""), FollowFormat::kJson, kNow);
  EXPECT_EQ(Brief(All(&following)), "");
  Fail(app_);
  Fail(app_);
  EXPECT_FALSE(following.HasNews(kNow)) << "nobody has looked";
  Look(&tail);
  EXPECT_TRUE(following.HasNews(kNow));
  EXPECT_EQ(Brief(All(&following)), "failure 1 app, failure 2 app");
  EXPECT_FALSE(following.HasNews(kNow));
  Fail(app_);
  Look(&tail);
  EXPECT_EQ(Brief(All(&following)), "failure 3 app, incident 1 app open");
  Look(&tail, kNow + 5 * kMinuteMs);
  EXPECT_EQ(Brief(All(&following, kNow + 5 * kMinuteMs)),
            "incident 1 app over");
}

TEST_F(FollowingTest, TellsOpenIncidentsFirst) {
  for (int i = 0; i < 3; ++i) {
    Fail(web_);
  }
  const Tail tail = NewTail();
  Following following(tail, Asked("limit=1"), FollowFormat::kJson, kNow);
  EXPECT_EQ(Brief(All(&following)), "incident 1 web open, failure 3 web");
}

TEST_F(FollowingTest, GoesOn) {
  for (int i = 0; i < 5; ++i) {
    Fail(app_, kNow - (5 - i) * kHourMs);
  }
  const Tail tail = NewTail();
  const auto told = [&](absl::string_view args, absl::string_view last) {
    Following following(tail, Asked(args, last), FollowFormat::kJson, kNow);
    return Brief(All(&following));
  };
  const std::string five = "failure 5 app";
  EXPECT_EQ(told("since=4", ""), five);
  EXPECT_EQ(told("since=1", "4"), five);
  EXPECT_EQ(told("limit=1", "0"), five);
  EXPECT_EQ(told("", "5"), "");
  EXPECT_EQ(told("since=5", "x"), "");
  EXPECT_EQ(told("limit=1", "6"), five) << "an id that nobody can have";
  EXPECT_EQ(told("since=0", ""),
            "failure 1 app, failure 2 app, failure 3 app, failure 4 app, "
            "failure 5 app");
  EXPECT_EQ(told("since=0&limit=0", ""), "");
}

// What one worker has told the other has not looked at yet.
TEST_F(FollowingTest, TellsNothingTwice) {
  Tail tail = NewTail();
  const uint64_t late = store_.ReserveEvents(1);
  Look(&tail);
  Fail(app_);
  Fail(app_);
  Following following(tail, Asked("", "2"), FollowFormat::kJson, kNow);
  Look(&tail);
  EXPECT_EQ(Brief(All(&following)), "failure 3 app");
  store_.WriteEvent(late, {.time_ms = kNow}, {.upstream = "app"},
                    {app_, peer_});
  Look(&tail);
  EXPECT_EQ(Brief(All(&following)), "failure 1 app") << "which it had not";
}

TEST_F(FollowingTest, SaysWhatIsLeftOut) {
  Tail tail = NewTail();
  Following slow(tail, Asked(""), FollowFormat::kJson, kNow);
  All(&slow);
  for (int i = 0; i < 1200; ++i) {
    Fail(app_, kNow + i * kHourMs);  // each for itself
    Look(&tail, kNow + i * kHourMs);
  }
  const std::string all = All(&slow, kNow + 1200 * kHourMs);
  EXPECT_THAT(Brief(all), StartsWith("left_out 200, failure 201 app, "));
  EXPECT_THAT(Brief(all), testing::EndsWith("failure 1200 app"));
  Following late(tail, Asked("since=100"), FollowFormat::kText, kNow);
  EXPECT_THAT(All(&late),
              HasSubstr("\n-- 100 failures and incidents are left out: more "
                        "came than are kept for who follows\n"));
  Following limited(tail, Asked("since=100&limit=1"), FollowFormat::kText,
                    kNow);
  EXPECT_THAT(All(&limited), Not(HasSubstr("left out")));
}

TEST_F(FollowingTest, Filters) {
  Tail tail = NewTail();
  const auto follow = [&](absl::string_view args) {
    return Following(tail, Asked(args), FollowFormat::kJson, kNow);
  };
  Following web = follow("upstream=web");
  Following dns = follow("cause=dns_error");
  Following found = follow("finding=port_closed");
  Following second = follow("incident=2");
  for (int i = 0; i < 3; ++i) {
    Fail(app_);
  }
  Look(&tail);
  for (int i = 0; i < 3; ++i) {
    Fail(web_, kNow, Cause::kDnsError);
  }
  Look(&tail);
  const std::string of_web =
      "failure 4 web, failure 5 web, failure 6 web, incident 2 web open";
  EXPECT_EQ(Brief(All(&web)), of_web);
  EXPECT_EQ(Brief(All(&dns)), of_web);
  EXPECT_EQ(Brief(All(&found)), "");
  EXPECT_EQ(Brief(All(&second)), of_web);
}

TEST_F(FollowingTest, WorksInSmallPieces) {
  for (int i = 0; i < 1000; ++i) {
    Fail(app_);
  }
  Tail tail = NewTail();
  for (const char* args : {"since=0", "since=0&cause=dns_error"}) {
    Following following(tail, Asked(args), FollowFormat::kJson, kNow);
    size_t pieces = 0;
    std::string piece;
    while (following.Next(kNow, &piece)) {
      EXPECT_LE(piece.size(), 16384U);
      piece.clear();
      ++pieces;
    }
    EXPECT_GE(pieces, 10U) << args;
  }
}

TEST_F(FollowingTest, IsAStreamOfServerSentEvents) {
  Tail tail = NewTail();
  Following following(tail, Asked(""), FollowFormat::kEventStream, kNow);
  EXPECT_EQ(All(&following),
            "retry: 2000\n\n"
            "event: alive\ndata: {\"type\":\"alive\",\"time\":1763675011000}"
            "\n\n");
  const uint64_t late = store_.ReserveEvents(1);
  Fail(app_);
  Look(&tail);
  EXPECT_THAT(All(&following),
              testing::MatchesRegex("id: 2\nevent: failure\n"
                                    "data: \\{\"type\":\"failure\",\"id\":2,"
                                    "[^\n]*\\}\n\n"));
  store_.WriteEvent(late, {.time_ms = kNow}, {.upstream = "app"},
                    {app_, peer_});
  Look(&tail);
  EXPECT_THAT(All(&following),
              StartsWith("id: 2\nevent: failure\n"
                         "data: {\"type\":\"failure\",\"id\":1,"))
      << "who comes back has had both";
  Fail(app_);
  Fail(app_);
  Look(&tail);
  EXPECT_THAT(All(&following),
              HasSubstr("\n\nevent: incident\ndata: {\"type\":\"incident\","));
}

// What comes from outside cannot end a line, in any format.
TEST_F(FollowingTest, IsNotDeceived) {
  Tail tail = NewTail();
  Following text(tail, Asked(""), FollowFormat::kText, kNow);
  Following json(tail, Asked(""), FollowFormat::kJson, kNow);
  Following events(tail, Asked(""), FollowFormat::kEventStream, kNow);
  Fail(app_, kNow, Cause::kReadTimeout,
       absl::StrCat(kNasty, "\n\nevent: failure\ndata: {}\r\rid: 9\r\n"));
  Look(&tail);
  for (const char c : All(&text)) {
    EXPECT_TRUE(c == '\n' || (c >= ' ' && c <= '~'));
  }
  const std::string lines = All(&json);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const std::string stream = All(&events);
  EXPECT_EQ(std::count(stream.begin(), stream.end(), '\n'), 9);
  EXPECT_EQ(std::count(stream.begin(), stream.end(), '\r'), 0);
}

TEST_F(FollowingTest, SaysEveryNowAndThenThatNothingIsNew) {
  Tail tail = NewTail();
  Following text(tail, Asked(""), FollowFormat::kText, kNow);
  Following json(tail, Asked(""), FollowFormat::kJson, kNow);
  EXPECT_THAT(All(&text), StartsWith("time (UTC) "));
  All(&json);
  EXPECT_FALSE(text.HasNews(kNow + 14999));
  EXPECT_EQ(All(&text, kNow + 14999), "");
  EXPECT_TRUE(text.HasNews(kNow + 15000));
  EXPECT_EQ(All(&text, kNow + 15000),
            "-- 11-20 21:43:46  nothing new for 15s\n");
  EXPECT_EQ(All(&json, kNow + 15000),
            "{\"type\":\"alive\",\"time\":1763675026000}\n");
  EXPECT_FALSE(text.HasNews(kNow + 15001));
  EXPECT_EQ(All(&text, kNow + 30000),
            "-- 11-20 21:44:01  nothing new for 30s\n");
  Fail(app_);
  Look(&tail);
  All(&text, kNow + 31000);
  EXPECT_EQ(All(&text, kNow + 46000),
            "-- 11-20 21:44:17  nothing new for 15s\n");
  EXPECT_EQ(All(&text, kNow - kHourMs),
            "-- 11-20 20:43:31  nothing new for 0s\n")
      << "the clock was set back";
  EXPECT_EQ(All(&text, kNow - kHourMs + 14999), "");
}

TEST_F(FollowingTest, ReadsAsTheReport) {
  Tail tail = NewTail();
  Following following(tail, Asked(""), FollowFormat::kText, kNow);
  EXPECT_EQ(All(&following),
            "time (UTC)      status -> client's  cause                    "
            "upstream and peer\n");
  Fail(app_);
  Look(&tail);
  EXPECT_THAT(
      All(&following),
      StartsWith("\n11-20 21:43:31  - -> -              read_timeout "));
  Fail(app_);
  Fail(app_);
  Look(&tail);
  EXPECT_THAT(All(&following),
              HasSubstr("\n\nincident #1 app  open since 2025-11-20 21:43:31, "
                        "last failure 21:43:31, 3 failures, "));
}

}  // namespace
}  // namespace upstream_502
