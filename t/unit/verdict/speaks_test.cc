// Protocols by their first bytes.

#include "upstream_502/verdict/speaks.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

struct Case {
  std::string first;
  Speaks speaks;
};

std::string Bytes(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) {
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

const std::vector<Case>& Cases() {
  static const auto* cases = new std::vector<Case>{
      {"HTTP/1.1 400 Bad Request\r\n", Speaks::kHttp1},
      {"HTT", Speaks::kHttp1},
      {Bytes({0x15, 3, 1, 0, 2, 2, 70}), Speaks::kTls},
      {Bytes({0x15, 3, 3}), Speaks::kTls},
      {Bytes({0x16, 3, 3, 0, 90, 2}), Speaks::kTls},
      {Bytes({0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3}), Speaks::kHttp2},
      {Bytes({0, 0, 0, 4, 0, 0, 0, 0, 0}), Speaks::kHttp2},
      {Bytes({0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0}), Speaks::kHttp2},
      {Bytes({1, 6, 0, 1, 0, 9, 7, 0}) + "Status: 4", Speaks::kFastcgi},
      {Bytes({1, 11, 0, 0, 0, 8, 0, 0, 71, 0, 0, 0}), Speaks::kFastcgi},
      {"Status: 200 OK\r\n", Speaks::kCgi},
      {"Content-Type: text/html\r\n", Speaks::kCgi},
      {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Speaks::kSsh},
      {"220 mail.example ESMTP Postfix\r\n", Speaks::kSmtp},
      {"220-mail.example ESMTP Exim 4.96\r\n", Speaks::kSmtp},
      {"554 5.7.1 no\r\n", Speaks::kSmtp},
      {"220 (vsFTPd 3.0.3)\r\n", Speaks::kFtp},
      {"220 ProFTPD Server ready.\r\n", Speaks::kFtp},
      {"+OK Dovecot ready.\r\n", Speaks::kPop3},
      {"* OK [CAPABILITY IMAP4rev1] ready.\r\n", Speaks::kImap},
      {Bytes({74, 0, 0, 0, 10}) + "8.0.36" + Bytes({0, 1}), Speaks::kMysql},
      {Bytes({89, 0, 0, 0, 10}) + "5.5.5-10.11.6-MariaDB", Speaks::kMysql},
      {Bytes({70, 0, 0, 0, 0xff, 0x6a, 4}) + "Host is not allowed",
       Speaks::kMysql},
      {"E" + Bytes({0, 0, 0, 132}) + "SFATAL", Speaks::kPostgresql},
      {"-ERR wrong number of arguments\r\n", Speaks::kRedis},
      {"-DENIED Redis is running in protected mode", Speaks::kRedis},
      {"ERROR\r\n", Speaks::kMemcached},
      {"CLIENT_ERROR bad command line format\r\n", Speaks::kMemcached},
      {"It looks like you are trying to access MongoDB over HTTP",
       Speaks::kMongodb},
      {"AMQP" + Bytes({0, 0, 9, 1}), Speaks::kAmqp},
      {"AB" + Bytes({0, 3, 9}), Speaks::kAjp},
      {"RFB 003.008\n", Speaks::kVnc},
      {Bytes({0xff, 0xfd, 1, 0xff, 0xfd, 31}), Speaks::kTelnet},
  };
  return *cases;
}

TEST(Speaks, KnownByTheirFirstBytes) {
  for (const Case& row : Cases()) {
    EXPECT_EQ(SpeaksName(SpeaksOf(row.first)), SpeaksName(row.speaks))
        << row.first;
  }
}

TEST(Speaks, NothingIsGuessed) {
  for (const std::string& first :
       {std::string(), std::string("H"), std::string("\0", 1),
        std::string("\0\0\0\0\0\0\0\0\0\0", 10), std::string("\1\6", 2),
        std::string("220 ready\r\n"), std::string("220"),
        std::string("<!DOCTYPE html>"), std::string("{\"a\":1}"),
        std::string("ABC"), std::string("Error"), std::string("\x16\x03", 2),
        std::string("\x15\x03\x03\x01\x00", 5), std::string("hello")}) {
    EXPECT_EQ(SpeaksName(SpeaksOf(first)), "") << first;
  }
}

TEST(Speaks, EveryOneHasAName) {
  for (int i = 1; i < kSpeaksCount; ++i) {
    EXPECT_NE(SpeaksName(static_cast<Speaks>(i)), "");
  }
  EXPECT_EQ(SpeaksName(Speaks::kUnknown), "");
  EXPECT_EQ(SpeaksName(static_cast<Speaks>(200)), "");
}

TEST(Speaks, LengthsOfFramesThatAreNone) {
  EXPECT_EQ(SpeaksOfFrameLength(4740180), Speaks::kHttp1);
  EXPECT_EQ(SpeaksOfFrameLength(0x150303), Speaks::kTls);
  EXPECT_EQ(SpeaksOfFrameLength(16385), Speaks::kUnknown);
  EXPECT_EQ(SpeaksOfFrameLength(0xffffffff), Speaks::kUnknown);
}

TEST(Speaks, StatusOfAResponse) {
  EXPECT_EQ(StatusOf("HTTP/1.1 413 Payload Too Large\r\n"), 413);
  EXPECT_EQ(StatusOf("HTTP/1.0 200"), 200);
  EXPECT_EQ(StatusOf(Bytes({1, 6, 0, 1, 0, 40, 0, 0}) +
                     "X-A: b\r\nStatus: 503 Busy\r\n\r\n"),
            503);
  EXPECT_EQ(StatusOf("Status: 404 Not Found\r\n"), 404);
  for (const char* first : {"", "HTTP/1.", "HTTP/1.1 ", "HTTP/1.1 4", "413",
                            "HTTP/1.1 abc", "HTTP/1.1 999", "Status: x"}) {
    EXPECT_EQ(StatusOf(first), 0) << first;
  }
}

// Cut and mangled ones, of their own size on the heap.
TEST(Speaks, TakesAnyBytes) {
  std::mt19937 random(502);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = Cases()[random() % Cases().size()].first;
    bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const std::vector<char> copy(bytes.begin(), bytes.end());
    SpeaksOf({copy.data(), copy.size()});
    EXPECT_LT(StatusOf({copy.data(), copy.size()}), 600);
  }
}

}  // namespace
}  // namespace upstream_502
