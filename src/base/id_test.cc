#include "base/id.h"

#include <set>

#include <gtest/gtest.h>

namespace canopy {
namespace {

TEST(CallId, ReadsBackWhatItWrites) {
  const CallId id{0x0123456789abcdef, 0xfedcba9876543210};
  EXPECT_EQ(to_text(id), "0123456789abcdeffedcba9876543210");
  EXPECT_EQ(parse_call_id(to_text(id)), id);
}

TEST(CallId, RefusesWhatIsNotThirtyTwoDigits) {
  EXPECT_FALSE(parse_call_id(""));
  EXPECT_FALSE(parse_call_id("0123456789ABCDEF0123456789abcdef"));
  EXPECT_FALSE(parse_call_id("0123456789abcdef0123456789abcde"));
  EXPECT_FALSE(parse_call_id("../3456789abcdef0123456789abcdef"));
}

TEST(IdSource, NeverGivesOneTwice) {
  IdSource source;
  std::set<CallId> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(source.next());
  EXPECT_EQ(seen.size(), 2000);
}

}  // namespace
}  // namespace canopy
