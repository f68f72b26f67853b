#include "upstream_502/advice/address.h"

#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(ParseAddress, TakesAnAddressApart) {
  const struct {
    absl::string_view text;
    absl::string_view host = "";
    absl::string_view port = "";
    absl::string_view path = "";
    bool ipv6 = false;
    bool loopback = false;
  } kCases[] = {
      {.text = "127.0.0.1:9000",
       .host = "127.0.0.1",
       .port = "9000",
       .loopback = true},
      {.text = "127.1.2.3", .host = "127.1.2.3", .loopback = true},
      {.text = "192.0.2.7:80", .host = "192.0.2.7", .port = "80"},
      {.text = "[::1]:80",
       .host = "::1",
       .port = "80",
       .ipv6 = true,
       .loopback = true},
      {.text = "[::1]", .host = "::1", .ipv6 = true, .loopback = true},
      {.text = "[2001:db8::7]:8080",
       .host = "2001:db8::7",
       .port = "8080",
       .ipv6 = true},
      {.text = "[::ffff:192.0.2.7]:80",
       .host = "::ffff:192.0.2.7",
       .port = "80",
       .ipv6 = true},
      {.text = "localhost:80",
       .host = "localhost",
       .port = "80",
       .loopback = true},
      {.text = "api_1.example.com:8080",
       .host = "api_1.example.com",
       .port = "8080"},
      {.text = "backend", .host = "backend"},
      {.text = "unix:/run/app.sock", .path = "/run/app.sock"},
      {.text = "unix:/run/it's.sock", .path = "'/run/it'\\''s.sock'"},
  };
  for (const auto& c : kCases) {
    const PeerAddress address = ParsePeer(c.text);
    EXPECT_EQ(address.host, c.host) << c.text;
    EXPECT_EQ(address.port, c.port) << c.text;
    EXPECT_EQ(address.path, c.path) << c.text;
    EXPECT_EQ(address.ipv6, c.ipv6) << c.text;
    EXPECT_EQ(address.loopback, c.loopback) << c.text;
  }
}

TEST(ParseAddress, LeavesOutAHostThatIsNone) {
  for (const absl::string_view text :
       {"", ":80", "-oProxyCommand:80", "a b:80", "(other)", "x\n:80",
        "$(id):80", "`id`", "a;id:80", "[::1;id]:80", "[name]:80x", "[]:80",
        "caf\xc3\xa9:80", "a/b"}) {
    EXPECT_EQ(ParsePeer(text).host, "") << text;
    EXPECT_FALSE(ParsePeer(text).ipv6) << text;
    EXPECT_FALSE(ParsePeer(text).loopback) << text;
  }
}

TEST(ParseAddress, LeavesOutAPortThatIsNone) {
  for (const absl::string_view text :
       {"host", "host:", "host:http", "host:80;id", "host:-1", "host:123456",
        "host: 80"}) {
    EXPECT_EQ(ParsePeer(text).port, "") << text;
  }
  EXPECT_EQ(ParsePeer("host:65535").port, "65535");
}

TEST(ParseAddress, LeavesOutAPathThatIsNone) {
  for (const absl::string_view text :
       {"unix:", "unix:relative", "unix:/a b", "unix:/a\n", "unix:-/a",
        "/run/app.sock", "UNIX:/run/app.sock"}) {
    EXPECT_EQ(ParsePeer(text).path, "") << text;
  }
  // Nor is there anything else in it then.
  EXPECT_EQ(ParsePeer("unix:name:80").host, "");
  EXPECT_EQ(ParsePeer("unix:name:80").port, "");
}

TEST(HostName, IsThatOfTheGroup) {
  EXPECT_EQ(HostName("api.example.com"), "api.example.com");
  EXPECT_EQ(HostName("api.example.com:8080"), "api.example.com");
  EXPECT_EQ(HostName("backend"), "backend");
  EXPECT_EQ(HostName("10.example"), "10.example");
}

TEST(HostName, IsNoAddressAndNoPath) {
  for (const absl::string_view upstream :
       {"", "10.0.0.1", "10.0.0.1:80", "[::1]:80", "[2001:db8::7]",
        "unix:/run/app.sock", "-f/etc/shadow", "a;id", "(none)"}) {
    EXPECT_EQ(HostName(upstream), "") << upstream;
  }
}

TEST(IsPrintable, MeansAsciiWithoutABlank) {
  EXPECT_TRUE(IsPrintable(""));
  EXPECT_TRUE(IsPrintable("!~"));
  EXPECT_TRUE(IsPrintable("/index.php?a=b"));
  for (const absl::string_view text :
       {absl::string_view(" "), absl::string_view("a b"),
        absl::string_view("a\n"), absl::string_view("\x7f"),
        absl::string_view("\xc3\xa9"), absl::string_view("a\0", 2)}) {
    EXPECT_FALSE(IsPrintable(text)) << text;
  }
}

}  // namespace
}  // namespace upstream_502
