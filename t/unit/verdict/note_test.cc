#include "upstream_502/verdict/note.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

Note At(uint32_t run, uint32_t element) {
  Note note;
  note.run = run;
  note.element = element;
  return note;
}

TEST(IsBefore, OrdersByRunFirst) {
  EXPECT_TRUE(IsBefore(At(1, 9), 2, 0));
  EXPECT_FALSE(IsBefore(At(2, 0), 1, 9));
}

TEST(IsBefore, OrdersTheAttemptsOfARun) {
  EXPECT_TRUE(IsBefore(At(1, 0), 1, 1));
  EXPECT_FALSE(IsBefore(At(1, 1), 1, 0));
}

TEST(IsBefore, IsFalseForTheVerySame) {
  EXPECT_FALSE(IsBefore(At(1, 1), 1, 1));
  EXPECT_FALSE(IsBefore(At(1, kNoElement), 1, kNoElement));
}

// What nginx gave up before an attempt is the first of its run, and still
// behind the run before.
TEST(IsBefore, PutsWhatCameBeforeAnyAttemptFirst) {
  EXPECT_TRUE(IsBefore(At(2, kNoElement), 2, 0));
  EXPECT_FALSE(IsBefore(At(2, 0), 2, kNoElement));
  EXPECT_TRUE(IsBefore(At(1, 7), 2, kNoElement));
  EXPECT_FALSE(IsBefore(At(2, kNoElement), 1, 7));
}

TEST(Note, BeginsAsNothingKnown) {
  const Note note;
  EXPECT_FALSE(note.recognized || note.failed || note.last || note.stored);
  EXPECT_EQ(note.element, kNoElement);
  EXPECT_EQ(note.event_id, 0U);
  EXPECT_EQ(note.rows.upstream, FailureRows::kNone);
}

}  // namespace
}  // namespace upstream_502
