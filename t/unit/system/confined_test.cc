// Who confines a process.

#include "system/confined.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Confined, ByWhom) {
  EXPECT_EQ(ConfinementOf("", "unconfined"), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("", ""), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("", "nginx (enforce)"), Confinement::kAppArmor);
  EXPECT_EQ(ConfinementOf("", "nginx (complain)"), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("1", "system_u:system_r:httpd_t:s0"),
            Confinement::kSelinux);
  EXPECT_EQ(ConfinementOf("0", "system_u:system_r:httpd_t:s0"),
            Confinement::kNone);
  EXPECT_EQ(ConfinementOf("", "system_u:system_r:container_t:s0:c1,c2"),
            Confinement::kNotAsked);
  EXPECT_EQ(ConfinementOf("", ":lxd://nginx (complain)"), Confinement::kNone);
  EXPECT_EQ(ConfinementOf("1", "u:unconfined_r:unconfined_t:s0"),
            Confinement::kNone);
  Confined confined;
  EXPECT_NE(confined.Kind(), Confinement::kNotAsked);
  EXPECT_EQ(confined.context().empty(), confined.Kind() == Confinement::kNone);
}

}  // namespace
}  // namespace upstream_502
