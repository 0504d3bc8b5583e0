#include "model/walls.h"

#include <gtest/gtest.h>

#include "base/units.h"

namespace canopy {
namespace {

Walls whole() {
  return {.user = "canopy",
          .no_new_privileges = true,
          .filter = "allow-list of 250 calls",
          .memory_max_bytes = 2 * GiB,
          .tasks_max = 4096,
          .no_group = {}};
}

TEST(Walls, NoneIsMissingWhereAllHold) { EXPECT_TRUE(missing_walls(whole()).empty()); }

TEST(Walls, EachThatIsMissingIsNamed) {
  EXPECT_EQ(missing_walls({.user = "root", .filter = {}, .no_group = {}}).size(), 5);
  Walls walls = whole();
  walls.user = "root";
  ASSERT_EQ(missing_walls(walls).size(), 1);
  EXPECT_NE(missing_walls(walls).front().find("--user"), std::string::npos);
  walls = whole();
  walls.memory_max_bytes = 0;
  ASSERT_EQ(missing_walls(walls).size(), 1);
  EXPECT_NE(missing_walls(walls).front().find("--wall-memory"), std::string::npos);
}

TEST(Walls, WhoAskedForALimitHearsWhyThereIsNone) {
  Walls walls = whole();
  walls.tasks_max = 0;
  walls.no_group = "making /sys/fs/cgroup/x: read-only";
  ASSERT_EQ(missing_walls(walls).size(), 1);
  EXPECT_EQ(missing_walls(walls).front(),
            "no control group limits its processes and threads: making /sys/fs/cgroup/x: read-only");
}

TEST(Walls, OfWhomNothingIsKnownNoneIsSaidToBeMissing) {
  EXPECT_TRUE(missing_walls({.user = "", .filter = {}, .no_group = {}}).empty());
}

TEST(Walls, TheRightToLowPortsIsNoneTooMany) {
  Walls walls = whole();
  walls.capabilities = 1U << 10U;
  EXPECT_TRUE(missing_walls(walls).empty());
  walls.capabilities = 1U << 21U;  // CAP_SYS_ADMIN
  EXPECT_EQ(missing_walls(walls).size(), 1);
}

TEST(Walls, ThoseThatHoldAreOneLine) {
  EXPECT_EQ(describe(whole()),
            "user canopy, no new privileges, allow-list of 250 calls, memory 2GiB, 4096 tasks");
  EXPECT_EQ(describe({.user = "root", .filter = {}, .no_group = {}}), "user root");
}

}  // namespace
}  // namespace canopy
