// A flood and those who must be heard in it.

#include "system/budget.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Budget, TheFirstOfEachKindIsAskedAboutWhateverFloods) {
  Budget budget;
  int taken = 0;
  for (int i = 0; i < 10000; ++i) {
    taken += budget.Take(1, 5000) ? 1 : 0;
  }
  EXPECT_EQ(taken, 1 + Budget::kRepeats);
  for (uint64_t key = 2; key <= 39; ++key) {
    EXPECT_TRUE(budget.Take(key * 64, 5900)) << key;  // of one place
    EXPECT_FALSE(budget.Take(key * 64, 5900));
    ++taken;
  }
  EXPECT_LE(taken, Budget::kPerSecond);
}

TEST(Budget, NeverMoreThanFiftyInASecond) {
  Budget budget;
  for (int64_t second = 0; second < 3; ++second) {
    int taken = 0;
    for (uint64_t key = 1; key < 1000; ++key) {
      taken +=
          budget.Take(key, second * 1000 + static_cast<int64_t>(key)) ? 1 : 0;
    }
    EXPECT_EQ(taken, Budget::kPerSecond);
  }
}

TEST(Budget, EachSecondIsANewOne) {
  Budget budget;
  for (int64_t now = 0; now < 20000; now += 1000) {
    for (int i = 0; i <= Budget::kRepeats; ++i) {
      EXPECT_TRUE(budget.Take(9, now));
    }
    EXPECT_FALSE(budget.Take(9, now + 999));
  }
}

TEST(Budget, KeysTellPeersAndCausesApart) {
  std::set<uint64_t> keys;
  for (int port = 0; port < 1000; ++port) {
    for (int cause = 0; cause < 31; ++cause) {
      keys.insert(ProbeKey("127.0.0.1:" + std::to_string(port), cause));
    }
  }
  EXPECT_EQ(keys.size(), 31000U);
  EXPECT_EQ(keys.count(0), 0U);
}

TEST(LongQuestions, TwiceASecondUnlessTheyAreShort) {
  LongQuestions questions;
  EXPECT_TRUE(questions.Take(LongQuestions::kInetListeners, 0));
  questions.Took(LongQuestions::kInetListeners, 900);
  EXPECT_TRUE(questions.Take(LongQuestions::kUnixListeners, 0));
  questions.Took(LongQuestions::kUnixListeners, 30);
  EXPECT_FALSE(questions.Take(LongQuestions::kInetListeners, 999));
  EXPECT_FALSE(questions.Take(LongQuestions::kConnections, 999));
  EXPECT_FALSE(questions.Take(LongQuestions::kInetPort, 999));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(questions.Take(LongQuestions::kUnixListeners, 999));
  }
  EXPECT_TRUE(questions.Take(LongQuestions::kInetListeners, 1000));
}

}  // namespace
}  // namespace upstream_502
