#include "base/log.h"

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(Log, KnowsItsLevels) {
  EXPECT_TRUE(start_log("warning"));
  EXPECT_FALSE(start_log("loud"));
}

TEST(LogSafe, EscapesWhatCouldForgeALine) {
  EXPECT_EQ(log_safe("a\nb\x1b[0m\x7f"), "a\\x0ab\\x1b[0m\\x7f");
  EXPECT_EQ(log_safe("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace canopy
