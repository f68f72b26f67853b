#include "upstream_502/verdict/evidence.h"

#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(EvidenceTest, NothingIsSeenAtFirst) {
  const Evidence evidence;
  EXPECT_EQ(evidence.asked, 0);
  EXPECT_EQ(evidence.idle_ms, Evidence::kNotSeen);
  EXPECT_EQ(evidence.verify_error, Evidence::kNotSeen);
  EXPECT_EQ(evidence.not_after_s, Evidence::kNoTime);
  EXPECT_EQ(evidence.sni, Seen::kNotAsked);
  EXPECT_EQ(evidence.Text(), "");
}

// Read back from shared memory it may be any number.
TEST(EvidenceTest, TextNeverReachesBehindItsRoom) {
  Evidence evidence;
  evidence.text_size = 255;
  EXPECT_EQ(evidence.Text().size(), Evidence::kTextRoom);
}

TEST(EvidenceTest, ItemsAreListed) {
  Evidence evidence;
  AppendItem(Named::kResolvers, "192.0.2.53:53", &evidence);
  AppendItem(Named::kResolvers, "", &evidence);
  AppendItem(Named::kResolvers, "[2001:db8::53]:53", &evidence);
  EXPECT_EQ(evidence.named, Named::kResolvers);
  EXPECT_EQ(evidence.named_count, 2);
  EXPECT_EQ(evidence.Text(), "192.0.2.53:53, [2001:db8::53]:53");
}

TEST(EvidenceTest, WhatDoesNotFitIsCounted) {
  Evidence evidence;
  for (int i = 0; i < 70000; ++i) {
    AppendItem(Named::kCertificateNames, std::string(50, 'a'), &evidence);
  }
  EXPECT_EQ(evidence.named_count, UINT16_MAX);
  EXPECT_EQ(evidence.Text(),
            std::string(50, 'a') + ", " + std::string(50, 'a'));
}

TEST(EvidenceTest, TheFirstItemIsCutAndNoByteOfItIsControl) {
  Evidence evidence;
  AppendItem(Named::kIssuer, std::string(65536, '\0'), &evidence);
  EXPECT_EQ(evidence.Text(), std::string(Evidence::kTextRoom - 3, '?') + "...");
  Evidence other;
  AppendItem(Named::kIssuer, "CN=\xff<b>\x1b[1m\n", &other);
  EXPECT_EQ(other.Text(), "CN=?<b>?[1m?");
}

TEST(EvidenceTest, TheMoreTellingTextStays) {
  Evidence evidence;
  AppendItem(Named::kPorts, "3000", &evidence);
  SetMoved("app", "192.0.2.1", "192.0.2.2", &evidence);
  EXPECT_EQ(evidence.named, Named::kMoved);
  EXPECT_EQ(evidence.Text(), "app 192.0.2.1 -> 192.0.2.2");
  AppendItem(Named::kPorts, "3000", &evidence);
  AppendItem(Named::kNothing, "x", &evidence);
  EXPECT_EQ(evidence.Text(), "app 192.0.2.1 -> 192.0.2.2");
  EXPECT_EQ(evidence.named_count, 1);
}

TEST(EvidenceTest, ServersAreReadBackAsTheyWereWritten) {
  const ServerFacts kServers[] = {
      {.address = "10.0.0.1:80"},
      {.address = "unix:/run/a.sock", .out = ServerOut::kTried},
      {.address = "10.0.0.2:80",
       .out = ServerOut::kMaxConns,
       .conns = 7,
       .max_conns = 8},
      {.address = "[2001:db8::1]:80",
       .out = ServerOut::kFailed,
       .fails = 3,
       .last_cause = Cause::kReadTimeout,
       .seconds_ago = 2,
       .seconds_more = Evidence::kNotSeen},
  };
  for (const ServerFacts& server : kServers) {
    Evidence evidence;
    AppendServer(server, &evidence);
    ServerFacts read;
    ASSERT_TRUE(ParseServer(evidence.Text(), &read)) << evidence.Text();
    EXPECT_EQ(read.address, server.address);
    EXPECT_EQ(read.out, server.out);
    EXPECT_EQ(read.fails, server.fails);
    EXPECT_EQ(read.last_cause, server.last_cause);
    EXPECT_EQ(read.seconds_ago, server.seconds_ago);
    EXPECT_EQ(read.seconds_more, server.seconds_more);
    EXPECT_EQ(read.conns, server.conns);
    EXPECT_EQ(read.max_conns, server.max_conns);
  }
}

TEST(EvidenceTest, AnAddressIsOneWord) {
  Evidence evidence;
  AppendServer({.address = "unix:/a, b d"}, &evidence);
  EXPECT_EQ(evidence.Text(), "unix:/a??b?d d");
}

TEST(EvidenceTest, ALongServerIsCutAndCanBeReadBack) {
  const std::string address(65536, 'x');
  Evidence evidence;
  AppendServer({.address = address,
                .out = ServerOut::kFailed,
                .fails = UINT32_MAX,
                .last_cause = Cause::kUnknown,
                .seconds_ago = INT32_MAX,
                .seconds_more = INT32_MAX},
               &evidence);
  ServerFacts server;
  ASSERT_TRUE(ParseServer(evidence.Text(), &server)) << evidence.Text();
  EXPECT_EQ(server.address, std::string(67, 'x') + "...");
  EXPECT_EQ(server.seconds_more, INT32_MAX);
}

TEST(EvidenceTest, OtherTextIsNoServer) {
  ServerFacts server;
  for (const absl::string_view text :
       {"", " ", "a", "a b", " d", "a d d", "a c 1", "a c x 1", "a f 1 2 3",
        "a f 1 99 3 4", "a f 1 -1 3 4", "a f x 1 3 4", "10.0.0.1:80 ..."}) {
    EXPECT_FALSE(ParseServer(text, &server)) << text;
  }
}

TEST(EvidenceTest, NameThatStillHasTheAddressHasNotMoved) {
  Evidence evidence;
  SetMoved("app", "192.0.2.1", "192.0.2.2, 192.0.2.1", &evidence);
  SetMoved("app", "192.0.2.1", "", &evidence);
  SetMoved("app", "", "192.0.2.1", &evidence);
  SetMoved("", "192.0.2.1", "192.0.2.2", &evidence);
  EXPECT_EQ(evidence.named, Named::kNothing);
  EXPECT_EQ(MovedOf(evidence).name, "");
}

TEST(EvidenceTest, MovedNameIsReadBack) {
  Evidence evidence;
  SetMoved("app.example", "192.0.2.1", "192.0.2.2, 192.0.2.3", &evidence);
  EXPECT_EQ(evidence.Text(), "app.example 192.0.2.1 -> 192.0.2.2, 192.0.2.3");
  EXPECT_EQ(evidence.named_count, 2);
  const Moved moved = MovedOf(evidence);
  EXPECT_EQ(moved.name, "app.example");
  EXPECT_EQ(moved.old, "192.0.2.1");
  EXPECT_EQ(moved.now, "192.0.2.2, 192.0.2.3");
}

TEST(EvidenceTest, OtherTextIsNoMovedName) {
  for (const absl::string_view text :
       {"", " ", "->", " -> ", "app 192.0.2.1", "app -> ", "app ->"}) {
    Evidence evidence;
    AppendItem(Named::kMoved, text, &evidence);
    EXPECT_EQ(MovedOf(evidence).now, "") << text;
  }
  Evidence evidence;
  AppendItem(Named::kHosts, "app 192.0.2.1 -> 192.0.2.2", &evidence);
  EXPECT_EQ(MovedOf(evidence).now, "");
}

TEST(EvidenceTest, OfManyAddressesAsManyAsFit) {
  std::string now = "198.51.100.1";
  for (int i = 2; i < 100; ++i) {
    now += ", 198.51.100." + std::to_string(i);
  }
  Evidence evidence;
  SetMoved("app", "192.0.2.1", now, &evidence);
  EXPECT_EQ(evidence.named_count, 99);
  EXPECT_LE(evidence.Text().size(), Evidence::kTextRoom);
  EXPECT_EQ(evidence.Text().substr(0, 29), "app 192.0.2.1 -> 198.51.100.1");
}

TEST(EvidenceTest, LongNamesLeaveRoomForTheAddresses) {
  const std::string then = "2001:db8:1111:2222:3333:4444:5555:6666";
  const std::string now = "2001:db8:1111:2222:3333:4444:5555:7777";
  Evidence evidence;
  SetMoved(std::string(255, 'n'), then, now, &evidence);
  EXPECT_EQ(evidence.Text().size(), Evidence::kTextRoom);
  EXPECT_EQ(MovedOf(evidence).old, then);
  EXPECT_EQ(MovedOf(evidence).now, now);
  EXPECT_TRUE(absl::EndsWith(MovedOf(evidence).name, "n..."));
  SetMoved(std::string(65536, 'n'), std::string(65536, 'a'),
           std::string(65536, 'b'), &evidence);
  EXPECT_LE(evidence.Text().size(), Evidence::kTextRoom);
  EXPECT_EQ(MovedOf(evidence).now, std::string(42, 'b') + "...");
}

}  // namespace
}  // namespace upstream_502
