#include "upstream_502/report/local.h"

#include <gtest/gtest.h>

#include <string>

namespace upstream_502 {
namespace {

TEST(SplitAuthority, HostAndPort) {
  const struct {
    const char* text;
    const char* host;
    const char* port;
  } kCases[] = {
      {"", "", ""},           {"a", "a", ""},
      {"a:", "a", ""},        {"a:80", "a", "80"},
      {"a.:80", "a", "80"},   {"www.example.com.", "www.example.com", ""},
      {"[::1]", "[::1]", ""}, {"[::1]:8080", "[::1]", "8080"},
      {"[::1", "[::1", ""},   {"[", "[", ""},
      {":80", "", "80"},      {".", "", ""},
  };
  for (const auto& c : kCases) {
    const Authority authority = SplitAuthority(c.text);
    EXPECT_EQ(authority.host, c.host) << c.text;
    EXPECT_EQ(authority.port, c.port) << c.text;
  }
}

TEST(IsIpAddress, AsBrowsersWriteThem) {
  for (const char* host : {"127.0.0.1", "192.0.2.7", "0.0.0.0", "[::1]",
                           "[2001:DB8::1]", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(IsIpAddress(host)) << host;
  }
  for (const char* host :
       {"", "localhost", "127.1", "127.0.0.1.example", "127.0.0.256",
        "2130706433", "::1", "[::1", "[]", "[127.0.0.1]", "[::1]x", "1.2.3.4 ",
        "a.127.0.0.1"}) {
    EXPECT_FALSE(IsIpAddress(host)) << host;
  }
  EXPECT_FALSE(IsIpAddress(absl::string_view("127.0.0.1\0x", 11)));
}

TEST(IsLocalhost, ItselfAndBelow) {
  for (const char* host :
       {"localhost", "LocalHost", "a.localhost", "b.a.LOCALHOST"}) {
    EXPECT_TRUE(IsLocalhost(host)) << host;
  }
  for (const char* host :
       {"", "evillocalhost", "localhost.example", "localhos", "local"}) {
    EXPECT_FALSE(IsLocalhost(host)) << host;
  }
}

TEST(IsHostname, LongAndShort) {
  EXPECT_TRUE(IsHostname("web1.example.com", "web1.example.com"));
  EXPECT_TRUE(IsHostname("WEB1", "web1.example.com"));
  EXPECT_TRUE(IsHostname("web1", "web1"));
  EXPECT_FALSE(IsHostname("web1.example", "web1.example.com"));
  EXPECT_FALSE(IsHostname("web", "web1"));
  EXPECT_FALSE(IsHostname("", ""));
  EXPECT_FALSE(IsHostname("", ".example.com"));
}

TEST(MatchesServerName, AsNginxChooses) {
  const struct {
    const char* name;
    const char* host;
    bool matches;
  } kCases[] = {
      {"www.example.com", "www.example.com", true},
      {"www.example.com", "WWW.example.com", true},
      {"www.example.com", "example.com", false},
      {".example.com", "example.com", true},
      {".example.com", "www.example.com", true},
      {".example.com", "a.b.example.com", true},
      {".example.com", "evilexample.com", false},
      {".example.com", ".example.com", false},
      {"*.example.com", "www.example.com", true},
      {"*.example.com", "a.b.example.com", true},
      {"*.example.com", "example.com", false},
      {"*.example.com", ".example.com", false},
      {"*.example.com", "evilexample.com", false},
      {"www.example.*", "www.example.org", true},
      {"www.example.*", "www.example.co.uk", true},
      {"www.example.*", "www.example", false},
      {"www.example.*", "www.example.", false},
      {"www.example.*", "www.examples.org", false},
      {"_", "_", true},
      {"_", "evil.example", false},
      {"", "", true},
      {"", "evil.example", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(MatchesServerName(c.host, c.name), c.matches)
        << c.name << " " << c.host;
  }
}

TEST(IsSameOrigin, HostAndPort) {
  const struct {
    const char* origin;
    const char* authority;
    bool same;
  } kCases[] = {
      {"http://a", "a", true},
      {"http://A", "a", true},
      {"http://a:8080", "a:8080", true},
      {"http://a", "a:80", true},
      {"https://a", "a:443", true},
      {"https://a", "a", true},
      {"http://[::1]:8080", "[::1]:8080", true},
      {"http://a", "a:443", false},
      {"https://a", "a:80", false},
      {"http://a", "a:8080", false},
      {"http://a:8081", "a:8080", false},
      {"http://b", "a", false},
      {"http://a.b", "a", false},
      {"http://a@b", "a", false},
      {"http://[::1]", "[::2]", false},
      {"null", "a", false},
      {"null", "null", false},
      {"", "a", false},
      {"", "", false},
      {"http://", "", false},
      {"ftp://a", "a", false},
      {"a", "a", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(IsSameOrigin(c.origin, c.authority), c.same)
        << c.origin << " " << c.authority;
  }
}

}  // namespace
}  // namespace upstream_502
