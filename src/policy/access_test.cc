#include "policy/access.h"

#include <gtest/gtest.h>

namespace canopy::policy {
namespace {

const Subject bob{.role = Role::developer, .every_space = false, .spaces = {"bob", "shop"}};
const Subject bobs_client{.role = Role::caller, .every_space = false, .spaces = {"shop"}};
const Subject admin{};

constexpr Need call{.role = Role::caller, .reach = Reach::space};
constexpr Need deploy{.role = Role::developer, .reach = Reach::space};
constexpr Need users{.role = Role::admin, .reach = Reach::server};
constexpr Need keys{.role = Role::developer, .reach = Reach::own};
constexpr Need health{.role = Role::caller, .reach = Reach::everybody};

TEST(Judge, LetsEachRoleDoWhatItMay) {
  EXPECT_EQ(judge(bob, call, "bob"), Verdict::allowed);
  EXPECT_EQ(judge(bob, deploy, "shop"), Verdict::allowed);
  EXPECT_EQ(judge(bob, keys, ""), Verdict::allowed);
  EXPECT_EQ(judge(bobs_client, call, "shop"), Verdict::allowed);
  EXPECT_EQ(judge(bobs_client, health, ""), Verdict::allowed);
  EXPECT_EQ(judge(admin, users, ""), Verdict::allowed);
  EXPECT_EQ(judge(admin, deploy, "anything"), Verdict::allowed);
}

TEST(Judge, RefusesWhatIsAboveARole) {
  EXPECT_EQ(judge(bobs_client, deploy, "shop"), Verdict::refused);
  EXPECT_EQ(judge(bobs_client, keys, ""), Verdict::refused);
  EXPECT_EQ(judge(bob, users, ""), Verdict::refused);
}

TEST(Judge, HidesForeignNamespacesFromEveryRoleAlike) {
  EXPECT_EQ(judge(bobs_client, call, "bob"), Verdict::hidden);
  EXPECT_EQ(judge(bobs_client, deploy, "bob"), Verdict::hidden);
  EXPECT_EQ(judge(bob, call, "alice"), Verdict::hidden);
  EXPECT_EQ(judge(bob, deploy, ""), Verdict::hidden);
  const Subject half_admin{.role = Role::admin, .every_space = false, .spaces = {"ops"}};
  EXPECT_EQ(judge(half_admin, deploy, "bob"), Verdict::hidden);
}

TEST(Judge, AKeyForSomeNamespacesIsNoKeyToTheServer) {
  const Subject half_admin{.role = Role::admin, .every_space = false, .spaces = {"ops"}};
  EXPECT_EQ(judge(half_admin, users, ""), Verdict::refused);
  EXPECT_EQ(judge(half_admin, deploy, "ops"), Verdict::allowed);
}

TEST(Need, IsTheMostByDefault) {
  EXPECT_EQ(judge(bob, Need{}, "bob"), Verdict::refused);
  EXPECT_EQ(judge(admin, Need{}, "bob"), Verdict::allowed);
}

TEST(Lower, IsTheOneThatMayLess) {
  EXPECT_EQ(lower(Role::admin, Role::caller), Role::caller);
  EXPECT_EQ(lower(Role::developer, Role::admin), Role::developer);
}

TEST(DemandsKeys, WhereOthersReachTheServerOrThereAreUsers) {
  EXPECT_FALSE(demands_keys({.loopback = true}, false));
  EXPECT_TRUE(demands_keys({.loopback = true}, true));
  EXPECT_TRUE(demands_keys({.loopback = false}, false));
  EXPECT_FALSE(demands_keys({.loopback = false, .insecure = true}, false));
  EXPECT_TRUE(demands_keys({.loopback = false, .insecure = true}, true));
  EXPECT_TRUE(demands_keys({.mode = Mode::on, .loopback = true}, false));
  EXPECT_TRUE(demands_keys({.mode = Mode::on, .loopback = false, .insecure = true}, false));
  EXPECT_FALSE(demands_keys({.mode = Mode::off, .loopback = true}, true));
}

}  // namespace
}  // namespace canopy::policy
