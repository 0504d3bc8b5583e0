#include "base/nearest.h"

#include <array>

#include <gtest/gtest.h>

namespace canopy {
namespace {

constexpr std::array<std::string_view, 4> names = {"memory", "timeout", "open_files", "env"};

TEST(NearestName, FindsWhatWasMeant) {
  EXPECT_EQ(nearest_name("memroy", names), "memory");     // Swapped.
  EXPECT_EQ(nearest_name("memor", names), "memory");      // Left out.
  EXPECT_EQ(nearest_name("timeouts", names), "timeout");  // Put in.
  EXPECT_EQ(nearest_name("tineout", names), "timeout");   // Changed.
  EXPECT_EQ(nearest_name("Open-Files", names), "open_files");
  EXPECT_EQ(nearest_name("evn", names), "env");
}

TEST(NearestName, IsSilentWhereNothingIsNear) {
  EXPECT_FALSE(nearest_name("concurrency", names));
  EXPECT_FALSE(nearest_name("xyz", names));
  EXPECT_FALSE(nearest_name("", names));
  EXPECT_FALSE(nearest_name("a", std::array<std::string_view, 1>{"b"}));  // All of it would change.
  EXPECT_FALSE(nearest_name(std::string(10'000, 'm'), names));
  EXPECT_FALSE(nearest_name("memory", {}));
}

TEST(NearestName, SkipsKnownNamesThatAreTooLongToCompare) {
  const std::string long_name(1000, 'm');
  EXPECT_FALSE(nearest_name("mmm", std::array<std::string_view, 1>{long_name}));
}

TEST(DidYouMean, EndsASentence) {
  EXPECT_EQ(did_you_mean("memry", names), "; did you mean 'memory'?");
  EXPECT_EQ(did_you_mean("qqqq", names), "");
}

}  // namespace
}  // namespace canopy
