#include "upstream_502/words/region.h"

#include <cstdint>
#include <cstring>
#include <new>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

size_t taken = 0;
size_t given = 0;

const Region::Source kCounting = {[](size_t size) -> void* {
                                    taken += size;
                                    return ::operator new(size);
                                  },
                                  [](void* block, size_t size) {
                                    given += size;
                                    ::operator delete(block);
                                  }};

TEST(Region, GivesBackAllThatItTook) {
  taken = given = 0;
  {
    Region region(kCounting);
    EXPECT_EQ(region.size(), 0U);
    for (size_t size = 1; size < 3000000; size *= 3) {
      std::memset(region.Allocate(size), 'x', size);
    }
    EXPECT_EQ(region.size(), taken);
    EXPECT_GT(taken, 0U);
    EXPECT_EQ(given, 0U);
  }
  EXPECT_EQ(given, taken);
}

TEST(Region, AlignsWhatItGives) {
  Region region;
  for (size_t size = 0; size < 100; ++size) {
    const auto at = reinterpret_cast<uintptr_t>(region.Allocate(size));
    EXPECT_EQ(at % alignof(std::max_align_t), 0U);
  }
}

TEST(Region, LeavesTheRestOfItsBlockToOthersWhenOneIsLarge) {
  Region region;
  auto* first = static_cast<char*>(region.Allocate(16));
  region.Allocate(10000000);
  EXPECT_EQ(static_cast<char*>(region.Allocate(16)), first + 16);
}

TEST(Region, SaysThatMemoryIsOut) {
  static const Region::Source kNone = {[](size_t) -> void* { return nullptr; },
                                       [](void*, size_t) {}};
  Region region(kNone);
  EXPECT_THROW(region.Allocate(1), std::bad_alloc);
  EXPECT_THROW(region.Allocate(SIZE_MAX), std::bad_alloc);
}

TEST(Region, HoldsWhatIsMadeWhileItIsInUse) {
  taken = 0;
  const String long_text(1000, 'a');
  Region region(kCounting);
  {
    const Region::Use use(&region);
    auto* list = new (region.Allocate(sizeof(List<String>))) List<String>;
    list->push_back(String(500, 'b'));
    list->push_back(long_text);
    EXPECT_EQ((*list)[1], long_text);
    const Region::Use other(nullptr);
    EXPECT_EQ(Region::InUse(), nullptr);
  }
  EXPECT_EQ(Region::InUse(), nullptr);
  EXPECT_GT(taken, 1500U);
  const size_t before = taken;
  EXPECT_EQ(List<String>(1000, long_text).size(), 1000U);
  EXPECT_EQ(taken, before);
}

TEST(Region, IsLeftByWhatIsAssigned) {
  String outside;
  {
    Region region;
    const Region::Use use(&region);
    String* inside = new (region.Allocate(sizeof(String))) String(100, 'x');
    outside = std::move(*inside);
  }
  EXPECT_EQ(outside, std::string(100, 'x'));
}

}  // namespace
}  // namespace upstream_502
