// Addresses as text, and whose they are.

#include "system/address.h"

#include <string>

#include "gtest/gtest.h"
#include "sockets.h"

namespace upstream_502 {
namespace {

std::string Again(absl::string_view text) {
  Address address;
  std::array<char, Address::kTextRoom> room;
  if (!ParseAddress(text, &address)) {
    return "no";
  }
  return std::string(FormatHost(address, &room)) + " " +
         std::to_string(address.port);
}

TEST(Address, ParsesWhatNginxWrites) {
  EXPECT_EQ(Again("127.0.0.1:9000"), "127.0.0.1 9000");
  EXPECT_EQ(Again("[::1]:80"), "::1 80");
  EXPECT_EQ(Again("[2001:db8::7]:65535"), "2001:db8::7 65535");
  EXPECT_EQ(Again("[::ffff:10.0.0.1]:80"), "10.0.0.1 80");
}

TEST(Address, ParsesNothingElse) {
  for (const char* text :
       {"",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:8x",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[]:80",
        "[",
        "[:80",
        "]:80",
        "localhost:80",
        "unix:/run/a.sock",
        "[127.0.0.1]:80",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1"}) {
    EXPECT_EQ(Again(text), "no") << text;
  }
}

TEST(Address, OfSockets) {
  const Fd listener = ListenAt("127.0.0.1:0");
  EXPECT_EQ(LocalEnd(listener.get()).family, AddressFamily::kV4);
  EXPECT_NE(LocalEnd(listener.get()).port, 0);
  EXPECT_EQ(RemoteEnd(listener.get()).family, AddressFamily::kNone);
  EXPECT_EQ(LocalEnd(-1).family, AddressFamily::kNone);
  const Fd nothing(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_EQ(LocalEnd(nothing.get()).family, AddressFamily::kNone);
  EXPECT_EQ(AddressOf(nullptr, 0).family, AddressFamily::kNone);
  const Name name = NameOf("127.0.0.1:80");
  EXPECT_EQ(AddressOf(name.get(), 8).family, AddressFamily::kNone);  // cut
}

TEST(Address, KindsOfAddresses) {
  const auto of = [](absl::string_view text) {
    Address address;
    EXPECT_TRUE(ParseAddress(text, &address));
    return address;
  };
  EXPECT_TRUE(of("127.9.9.9:1").IsLoopback());
  EXPECT_TRUE(of("[::1]:1").IsLoopback());
  EXPECT_FALSE(of("[::2]:1").IsLoopback());
  EXPECT_TRUE(of("[::ffff:127.0.0.1]:1").IsLoopback());
  EXPECT_FALSE(of("128.0.0.1:1").IsLoopback());
  EXPECT_TRUE(of("0.0.0.0:1").IsWildcard());
  EXPECT_TRUE(of("[::]:1").IsWildcard());
  EXPECT_FALSE(of("[::1]:1").IsWildcard());
  EXPECT_FALSE(Address().IsWildcard());
}

TEST(Address, Ours) {
  InNetwork([] {
    // An address of a machine that has a network but is no loopback address.
    const Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request = {};
    std::memcpy(request.ifr_name, "lo:1", 5);
    const Name name = NameOf("192.0.2.7:0");
    std::memcpy(&request.ifr_addr, name.get(), sizeof(request.ifr_addr));
    ASSERT_EQ(ioctl(fd.get(), SIOCSIFADDR, &request), 0);
    Address address;
    ASSERT_TRUE(ParseAddress("192.0.2.7:80", &address));
    EXPECT_EQ(IsOurs(address), 1);
    ASSERT_TRUE(ParseAddress("198.51.100.1:80", &address));
    EXPECT_EQ(IsOurs(address), 0);
    ASSERT_TRUE(ParseAddress("[::1]:80", &address));
    EXPECT_EQ(IsOurs(address), 1);
    EXPECT_EQ(IsOurs(Address()), -1);
  });
}

}  // namespace
}  // namespace upstream_502
