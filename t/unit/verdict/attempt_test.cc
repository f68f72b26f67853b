#include "upstream_502/verdict/attempt.h"

#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Http2ResponseBytes, BeginWithTheFirstHeaders) {
  using std::string_literals::operator""s;
  const std::string settings = "\0\0\0\4\0\0\0\0\0"s;
  const std::string ping = "\0\0\10\6\0\0\0\0\0"s + std::string(8, '\1');
  const std::string headers = "\0\0\1\1\4\0\0\0\1\x88"s;
  EXPECT_EQ(Http2ResponseBytes(""), 0U);
  EXPECT_EQ(Http2ResponseBytes(settings), 0U);
  EXPECT_EQ(Http2ResponseBytes(settings + ping), 0U);
  EXPECT_EQ(Http2ResponseBytes(settings + ping.substr(0, 12)), 0U);
  EXPECT_EQ(Http2ResponseBytes(settings + headers.substr(0, 8)), 0U);
  EXPECT_EQ(Http2ResponseBytes(settings + headers.substr(0, 9U)), 9U);
  EXPECT_EQ(Http2ResponseBytes(settings + ping + headers + ping), 10U + 17U);
  EXPECT_EQ(Http2ResponseBytes("\xff\xff\xff\0\0\0\0\0\0"s + headers), 0U);
}

}  // namespace
}  // namespace upstream_502
