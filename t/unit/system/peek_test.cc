// Looking at what waits, and for a header's end.

#include "system/peek.h"

#include <string>

#include "gtest/gtest.h"
#include "sockets.h"

namespace upstream_502 {
namespace {

TEST(Peek, LeavesEverythingWhereItIs) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  const Fd ours(ends[0]);
  const Fd theirs(ends[1]);
  char buffer[4];
  EXPECT_EQ(Peek(ours.get(), buffer, sizeof(buffer)), "");
  EXPECT_EQ(WaitingBytes(ours.get()), 0);
  Send(theirs, "0123456789");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Peek(ours.get(), buffer, sizeof(buffer)), "0123");
    EXPECT_EQ(WaitingBytes(ours.get()), 10);
  }
  EXPECT_EQ(Peek(-1, buffer, sizeof(buffer)), "");
  EXPECT_EQ(WaitingBytes(-1), -1);
}

// A record of FastCGI: of the answer (6), or of the program's errors (7).
std::string Record(char type, const std::string& content, char padding = 0) {
  return std::string({1, type, 0, 1, static_cast<char>(content.size() >> 8),
                      static_cast<char>(content.size() & 0xff), padding, 0}) +
         content + std::string(static_cast<size_t>(padding), '\0');
}

TEST(Peek, TellsErrorsOfAFastcgiProgramFromItsAnswer) {
  const std::string answer = Record(6, "Status: 200\r\n", 3);
  const std::string errors = Record(7, "PHP Warning: x", 2);
  EXPECT_FALSE(HoldsErrors(""));
  EXPECT_FALSE(HoldsErrors(answer));
  EXPECT_FALSE(HoldsErrors(answer + Record(6, std::string(300, 'c'))));
  EXPECT_TRUE(HoldsErrors(errors + answer));
  EXPECT_TRUE(HoldsErrors(answer + errors));
  EXPECT_TRUE(HoldsErrors(errors.substr(8) + answer)) << "of one cut off";
  for (size_t cut = 0; cut < answer.size(); ++cut) {
    EXPECT_FALSE(HoldsErrors(answer.substr(0, cut))) << cut;
  }
}

TEST(HeaderEnd, WhereverItIsCut) {
  for (const std::string header :
       {"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.0 200\nA: b\n\n"}) {
    const std::string all = header + "body\n\n";
    for (size_t cut = 0; cut < header.size(); ++cut) {
      HeaderEnd end;
      EXPECT_FALSE(end.Find(all.substr(0, cut)));
      EXPECT_EQ(end.size(), cut);
      EXPECT_TRUE(end.Find(all.substr(cut)));
      EXPECT_EQ(end.size(), header.size());
    }
  }
}

}  // namespace
}  // namespace upstream_502
