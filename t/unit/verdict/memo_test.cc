#include "upstream_502/verdict/memo.h"

#include <cstring>
#include <iterator>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr const char* kMessages[] = {
    "",
    "connect() failed (111: Connection refused)",
    "connect() failed (113: No route to host!!)",
    "connect() failed (110: Connection timed out)",
    "upstream timed out (110: Connection timed out)",
    "upstream prematurely closed connection",
    "upstream prematurely closed FastCGI st",
    "recv() failed (104: Connection reset by peer)",
    "SSL_do_handshake() failed (SSL: error:0A00010B:SSL routines::wrong)",
    "SSL_do_handshake() failed (SSL: error:0A000086:certificate verify failed)",
    "no live upstreams",
    "a line of another module",
};

void ExpectSame(const Line& a, const Line& b, const std::string& what) {
  EXPECT_EQ(a.says, b.says) << what;
  EXPECT_EQ(a.phase, b.phase) << what;
  EXPECT_EQ(a.errno_class, b.errno_class) << what;
  EXPECT_EQ(a.errno_number, b.errno_number) << what;
  EXPECT_EQ(a.usual, b.usual) << what;
}

TEST(LineMemo, AnswersAsTheFunctionDoesInAnyOrder) {
  LineMemo memo;
  std::mt19937 random(502);  // NOLINT: the same every time
  // Few of each, so that the same comes again.
  for (int i = 0; i < 100000; ++i) {
    const std::string message = kMessages[random() % std::size(kMessages)];
    const int again = static_cast<int>(random() % 3);
    for (int times = 0; times <= again; ++times) {
      // Each time at another place.
      const std::string copy = message;
      ExpectSame(memo.Recognize(copy), RecognizeLine(copy), message);
    }
  }
}

// More than it holds, so that they drive each other out.
TEST(LineMemo, KnowsALineAmongManyOthers) {
  LineMemo memo;
  const std::string refused = "connect() failed (111: Connection refused)";
  for (int errno_number = 1; errno_number < 134; ++errno_number) {
    for (const char* text : {"connect() failed", "recv() failed"}) {
      const std::string line = absl::StrCat(text, " (", errno_number, ": ",
                                            std::strerror(errno_number), ")");
      ExpectSame(memo.Recognize(line), RecognizeLine(line), line);
      EXPECT_EQ(memo.Recognize(line).errno_number, errno_number);
    }
    memo.Recognize(absl::StrCat("another line ", errno_number));
    ExpectSame(memo.Recognize(refused), RecognizeLine(refused), refused);
  }
}

// Whatever its place, every length up to and beyond what is kept.
TEST(LineMemo, DoesNotMixUpTextsOfLikeLength) {
  for (const size_t size : {8U, 63U, 64U, 65U, 66U, 200U}) {
    LineMemo memo;
    const std::string head = "connect() " + std::string(size, 'x');
    for (const char* end : {"failed (111: Connection refused)",
                            "failed (104: Connection reset by peer)",
                            "failed (111: Connection refused)", "failed ("}) {
      for (size_t cut = 0; cut < 4; ++cut) {
        const std::string line = head.substr(0, head.size() - cut) + end;
        ExpectSame(memo.Recognize(line), RecognizeLine(line), line);
      }
    }
  }
}

TEST(LineMemo, TakesAnEmptyTextForNoOther) {
  LineMemo memo;
  memo.Recognize("no live upstreams");
  ExpectSame(memo.Recognize(""), RecognizeLine(""), "empty");
  memo.Recognize("no live upstreams " + std::string(200, 'x'));
  ExpectSame(memo.Recognize(""), RecognizeLine(""), "empty");
}

// A line with a byte of zero is not the shorter one.
TEST(LineMemo, ComparesWholeTexts) {
  LineMemo memo;
  const std::string line = "no live upstreams";
  memo.Recognize(line);
  for (const std::string& other :
       {line + '\0', line.substr(0, 16), std::string("\0", 1), '\0' + line}) {
    ExpectSame(memo.Recognize(other), RecognizeLine(other), other);
  }
}

}  // namespace
}  // namespace upstream_502
