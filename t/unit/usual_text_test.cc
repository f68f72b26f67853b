#include "upstream_502/usual_text.h"

#include <iterator>

#include "gtest/gtest.h"
#include "upstream_502/attempt.h"

namespace upstream_502 {
namespace {

TEST(Methods, KeepTheirPlaces) {
  EXPECT_EQ(std::size(kMethods), 17U);
  EXPECT_EQ(kMethods[0], "");
  EXPECT_EQ(kMethods[1], "GET");
  EXPECT_EQ(kMethods[3], "POST");
  EXPECT_EQ(kMethods[9], "OPTIONS");
  EXPECT_EQ(kMethods[14], "PATCH");
  EXPECT_EQ(kMethods[16], "CONNECT");
}

TEST(UsualLine, KeepsItsNumber) {
  const char* const lines[] = {
      "connect() failed (111: Connection refused)",
      "upstream timed out (110: Connection timed out)",
      "upstream prematurely closed connection",
      "no live upstreams",
      "recv() failed (104: Connection reset by peer)",
      "readv() failed (104: Connection reset by peer)",
      "send() failed (32: Broken pipe)",
      "writev() failed (32: Broken pipe)",
      "sendfile() failed (32: Broken pipe)",
      "peer closed connection in SSL handshake (104: Connection reset by peer)",
      "upstream sent too big header",
      "upstream prematurely closed stream",
      "upstream sent no valid HTTP/1.0 header",
      "upstream sent invalid chunked response",
  };
  uint8_t number = 0;
  for (const char* line : lines) {
    ++number;
    const int errno_number = ParseErrno(line);
    EXPECT_EQ(UsualLine(line, errno_number), number) << line;
    EXPECT_TRUE(IsUsualLine(number)) << line;
    EXPECT_EQ(UsualText(number, errno_number), line);
    EXPECT_EQ(UsualLine(line, 1), 0) << line;
    EXPECT_EQ(UsualLine(std::string(line) + "x", errno_number), 0) << line;
  }
  EXPECT_FALSE(IsUsualLine(0));
  EXPECT_FALSE(IsUsualLine(static_cast<uint8_t>(number + 1)));
  EXPECT_EQ(UsualText(0, 111), "");
  EXPECT_EQ(UsualText(255, 111), "");
}

}  // namespace
}  // namespace upstream_502
