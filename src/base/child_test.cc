#include "base/child.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canopy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

// A process that ends with `status`, or never.
pid_t start(std::optional<int> status) {
  const pid_t id = fork();
  if (id == 0) {
    while (!status) pause();
    _exit(*status);
  }
  return id;
}

TEST(Child, SaysHowItEnded) {
  const auto status = wait_for_child(start(7), minutes(1));
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 7);
}

TEST(Child, IsNotWaitedForWithoutEnd) {
  const pid_t id = start(std::nullopt);
  EXPECT_FALSE(wait_for_child(id, milliseconds(1)));
  const auto status = kill_child(id);
  ASSERT_TRUE(status);
  EXPECT_EQ(WTERMSIG(*status), SIGKILL);
}

TEST(Child, OfSomebodyElseCountsAsEnded) { EXPECT_TRUE(wait_for_child(1, minutes(1))); }

}  // namespace
}  // namespace canopy
