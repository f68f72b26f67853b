#include "upstream_502/words/text.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

// Lengths around every boundary of how a text is read.
constexpr size_t kLongest = 40;

std::string Sample(size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += static_cast<char>('a' + i % 26);
  }
  return text;
}

TEST(SameText, SeesADifferenceInAnyByte) {
  for (size_t size = 0; size <= kLongest; ++size) {
    const std::string text = Sample(size);
    EXPECT_TRUE(SameText(text.data(), Sample(size).data(), size));
    for (size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = '!';
      EXPECT_FALSE(SameText(text.data(), other.data(), size))
          << size << " bytes, differing in " << i;
    }
  }
}

TEST(SameText, ReadsNothingBeyondTheText) {
  EXPECT_TRUE(SameText("127.0.0.1:80|", "127.0.0.1:80?", 12));
}

TEST(LoadTail, HasWhatFillsNoWordAndZeroesBehindIt) {
  for (size_t size = 9; size <= kLongest; ++size) {
    const size_t left = size % 8;
    if (left != 0) {
      const std::string text = Sample(size);
      EXPECT_EQ(LoadTail(text.data(), size),
                LoadShort(text.data() + size - left, left))
          << size << " bytes";
    }
  }
}

TEST(HashText, DependsOnEveryByteTheLengthAndTheSeed) {
  for (size_t size = 0; size <= kLongest; ++size) {
    const std::string text = Sample(size);
    std::set<uint32_t> hashes = {HashText(0, text.data(), size),
                                 HashText(1, text.data(), size)};
    for (size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = '!';
      hashes.insert(HashText(0, other.data(), size));
    }
    EXPECT_EQ(hashes.size(), size + 2) << size << " bytes";
  }
}

}  // namespace
}  // namespace upstream_502
