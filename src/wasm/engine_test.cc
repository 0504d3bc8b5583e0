#include "wasm/engine.h"

#include <gtest/gtest.h>

namespace canopy::wasm {
namespace {

TEST(MakePooledEngine, RefusesMoreInstancesThanThereIsAddressSpaceFor) {
  const auto engine = make_pooled_engine({.instances_max = 100'000});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::unavailable);
  EXPECT_NE(engine.error().message.find("100000 instances"), std::string::npos) << engine.error().message;
  EXPECT_NE(engine.error().message.find("lower 'instances'"), std::string::npos) << engine.error().message;
}

TEST(MakePooledEngine, MakesOneOfEachSize) {
  EXPECT_TRUE(make_pooled_engine({.instances_max = 1}));
  EXPECT_TRUE(make_pooled_engine({.instances_max = 500}));
}

}  // namespace
}  // namespace canopy::wasm
