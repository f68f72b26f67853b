// What a reload, or a moment, has made of the servers of a group.

#include "advice/scene.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/diagnose.h"

namespace upstream_502 {
namespace {

// One that has answered until a moment ago answers no more.
TEST(Diagnose, NoOtherServerAnswersThatHasCeasedTo) {
  Scene scene("app", Protocol::kHttp);
  scene.At(kMinute).Good(50, "10.0.0.2:80").Good(50, "10.0.0.1:80");
  scene.At(kMinute + 5 * kSecond).Bad(20, Refused("10.0.0.1:80"));
  scene.Bad(2, Refused("10.0.0.2:80"));
  EXPECT_NE(scene.One().pattern, Pattern::kPartial);
}

// A server of before the reload never answers again.
TEST(Diagnose, IsWellAgainAfterTheReloadThatTakesAServerOut) {
  for (const bool reloaded : {false, true}) {
    Scene scene("app", Protocol::kHttp);
    scene.At(kMinute).Good(9, "10.0.0.2:80").Bad(20, Refused("10.0.0.1:80"));
    scene.At(2 * kMinute);
    if (reloaded) {
      scene.Reload();
    }
    scene.At(3 * kMinute).Good(50, "10.0.0.2:80");
    scene.At(4 * kMinute).Good(50, "10.0.0.2:80");
    EXPECT_EQ(scene.One().pattern == Pattern::kRecovered, reloaded);
  }
}

TEST(Diagnose, BlamesNoReloadThatRequestsWentWellAfter) {
  Scene scene;
  for (int i = 0; i < 10; ++i) {
    scene.At(i * kMinute).Good(20);
  }
  scene.At(10 * kMinute + 5 * kSecond).Reload();
  scene.At(10 * kMinute + 8 * kSecond).Good(20);
  scene.At(10 * kMinute + 50 * kSecond).Bad(20, Refused());
  EXPECT_NE(scene.One().pattern, Pattern::kSinceReload);
}

}  // namespace
}  // namespace upstream_502
