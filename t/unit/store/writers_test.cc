#include "upstream_502/store/writers.h"

#include "gtest/gtest.h"
#include "store/shared_memory.h"
#include "upstream_502/store/store.h"

namespace upstream_502 {
namespace {

class WritersTest : public testing::Test {
 protected:
  WritersTest()
      : memory_(size_t{1} << 20),
        arena_(Arena::Create(memory_.data(), memory_.size(), {1}, 0)) {}

  SharedMemory memory_;
  Arena arena_;
};

TEST_F(WritersTest, WaitForTheSlowest) {
  const uint32_t quick = JoinWriters(arena_, 1, 1);
  const uint32_t slow = JoinWriters(arena_, 2, 1);
  ASSERT_NE(quick, slow);
  const uint32_t round = NextRound(arena_);
  EXPECT_LT(PassedRound(arena_), round);
  PassRound(arena_, quick);
  EXPECT_LT(PassedRound(arena_), round);
  PassRound(arena_, slow);
  EXPECT_EQ(PassedRound(arena_), round);
}

TEST_F(WritersTest, NobodyIsWaitedForWhoJoinedLaterOrLeft) {
  const uint32_t left = JoinWriters(arena_, 1, 1);
  const uint32_t round = NextRound(arena_);
  JoinWriters(arena_, 2, 1);
  EXPECT_LT(PassedRound(arena_), round);
  LeaveWriters(arena_, left);
  EXPECT_EQ(PassedRound(arena_), round);
}

TEST_F(WritersTest, ForgetThoseThatAreGone) {
  JoinWriters(arena_, 1, 1);
  JoinWriters(arena_, 2, 1);
  const uint32_t round = NextRound(arena_);
  ForgetWriters(arena_, [](uint64_t process) { return process == 1; });
  EXPECT_LT(PassedRound(arena_), round);
  ForgetWriters(arena_, [](uint64_t process) { return process == 2; });
  EXPECT_EQ(PassedRound(arena_), round);
}

TEST_F(WritersTest, KnowTheRowsOfTheirConfigurationAndOfLaterOnes) {
  JoinWriters(arena_, 1, 5);
  EXPECT_FALSE(HasWriterOf(arena_, 4));
  EXPECT_TRUE(HasWriterOf(arena_, 5));
  EXPECT_TRUE(HasWriterOf(arena_, 6));
}

TEST_F(WritersTest, NobodyIsWaitedForWhoHasNoPlace) {
  for (uint64_t process = 1; process <= kWriters; ++process) {
    EXPECT_NE(JoinWriters(arena_, process, 1), kNoWriter);
  }
  EXPECT_EQ(JoinWriters(arena_, kWriters + 1, 1), kNoWriter);
  const uint32_t round = NextRound(arena_);
  LeaveWriters(arena_, kNoWriter);
  EXPECT_LT(PassedRound(arena_), round);
  ForgetWriters(arena_, [](uint64_t) { return true; });
  EXPECT_EQ(PassedRound(arena_), round);
  EXPECT_NE(JoinWriters(arena_, kWriters + 1, 1), kNoWriter);
}

TEST_F(WritersTest, LookForThoseThatAreGoneOnceAMinute) {
  EXPECT_TRUE(TakeForgetting(arena_, kHourMs));
  EXPECT_FALSE(TakeForgetting(arena_, kHourMs + kMinuteMs - 1));
  EXPECT_TRUE(TakeForgetting(arena_, kHourMs + kMinuteMs));
}

}  // namespace
}  // namespace upstream_502
