#include "upstream_502/store/snapshot.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

constexpr ResponseCounts kCounts = {{
    {1, 2, 4, 8},
    {16, 32, 64, 128},
    {256, 512, 1024, 2048},
}};

TEST(Responses, AreSummed) {
  EXPECT_EQ(SumResponses(kCounts), 4095U);
  EXPECT_EQ(SumResponses(ResponseCounts{}), 0U);
}

TEST(Responses, AreSummedByCode) {
  EXPECT_EQ(ResponsesWithCode(kCounts, 500), 15U);
  EXPECT_EQ(ResponsesWithCode(kCounts, 502), 240U);
  EXPECT_EQ(ResponsesWithCode(kCounts, 504), 3840U);
}

TEST(Responses, OfACodeThatIsNotCountedAreNone) {
  EXPECT_EQ(ResponsesWithCode(kCounts, 503), 0U);
}

TEST(Responses, AreSummedByOrigin) {
  EXPECT_EQ(ResponsesWithOrigin(kCounts, Origin::kNginx), 0x111U);
  EXPECT_EQ(ResponsesWithOrigin(kCounts, Origin::kUpstream), 0x222U);
  EXPECT_EQ(ResponsesWithOrigin(kCounts, Origin::kCache), 0x444U);
  EXPECT_EQ(ResponsesWithOrigin(kCounts, Origin::kConfig), 0x888U);
}

}  // namespace
}  // namespace upstream_502
