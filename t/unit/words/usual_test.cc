#include "upstream_502/words/usual.h"

#include <iterator>
#include <string>

#include "gtest/gtest.h"

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
  const struct {
    const char* text;
    int errno_number;
  } kLines[] = {
      {"connect() failed (111: Connection refused)", 111},
      {"upstream timed out (110: Connection timed out)", 110},
      {"upstream prematurely closed connection", 0},
      {"no live upstreams", 0},
      {"recv() failed (104: Connection reset by peer)", 104},
      {"readv() failed (104: Connection reset by peer)", 104},
      {"send() failed (32: Broken pipe)", 32},
      {"writev() failed (32: Broken pipe)", 32},
      {"sendfile() failed (32: Broken pipe)", 32},
      {"peer closed connection in SSL handshake (104: Connection reset by "
       "peer)",
       104},
      {"upstream sent too big header", 0},
      {"upstream prematurely closed stream", 0},
      {"upstream sent no valid HTTP/1.0 header", 0},
      {"upstream sent invalid chunked response", 0},
  };
  uint8_t number = 0;
  for (const auto& [line, errno_number] : kLines) {
    ++number;
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
