#include "wasm/core_engine.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace canopy::wasm {
namespace {

using std::chrono::milliseconds;

// As large as what lies behind a slot's memory: giving back never goes beyond it.
constexpr std::size_t slot_bytes = 4 * GiB;

class CoreEngineTest : public testing::Test {
 protected:
  void SetUp() override {
    PoolOptions options;
    options.instances_max = 300;
    auto made = CoreEngine::make(core_, options, {});
    ASSERT_TRUE(made) << made.error().message;
    engine_ = *std::move(made);
    void* const slot =
        mmap(nullptr, slot_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT_NE(slot, MAP_FAILED);
    slot_ = static_cast<char*>(slot);
  }
  void TearDown() override { munmap(slot_, slot_bytes); }

  // What `count` instances at once do to the engine and to a slot.
  void crowd(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) ASSERT_TRUE(engine_->enter());
    *slot_ = 'x';
    engine_->saw_memory(slot_);
    for (std::uint32_t i = 0; i < count; ++i) engine_->leave();
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  std::unique_ptr<CoreEngine> engine_;
  char* slot_ = nullptr;
};

TEST_F(CoreEngineTest, HasRoomForAsManyInstancesAsSaid) {
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(engine_->enter());
  EXPECT_FALSE(engine_->enter());
  engine_->leave();
  EXPECT_TRUE(engine_->enter());
}

TEST_F(CoreEngineTest, KeepsAFewSlotsWarmForASecond) {
  crowd(3);
  clock_.advance(milliseconds(999));
  core_.poll();
  EXPECT_EQ(engine_->trim_count(), 0);
  EXPECT_EQ(*slot_, 'x');
  clock_.advance(milliseconds(1));
  core_.poll();
  EXPECT_EQ(engine_->trim_count(), 1);
  EXPECT_EQ(*slot_, '\0');
}

TEST_F(CoreEngineTest, GivesBackAtOnceWhatACrowdLeft) {
  crowd(3);
  crowd(300);
  core_.poll();
  EXPECT_EQ(engine_->trim_count(), 1);
  EXPECT_EQ(*slot_, '\0');
}

TEST_F(CoreEngineTest, GivesBackWhatACrowdLeavesWhileSomeOfItStays) {
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(engine_->enter());
  const Remains left{.memory = reinterpret_cast<std::byte*>(slot_), .memory_bytes = 64 * KiB};
  *slot_ = 'x';
  for (int i = 0; i < 256; ++i) engine_->leave(left);
  EXPECT_EQ(*slot_, 'x') << "so many slots stay warm";
  engine_->leave(left);
  EXPECT_EQ(*slot_, '\0');
  // Whoever comes takes a warm one, and leaves one.
  ASSERT_TRUE(engine_->enter());
  *slot_ = 'x';
  engine_->leave(left);
  EXPECT_EQ(*slot_, 'x');
}

TEST_F(CoreEngineTest, GivesBackOfAStackNoMoreThanItsOwn) {
  constexpr std::size_t page = 4096;
  char* const stack = slot_ + fiber_stack_bytes - wasm_stack_bytes;  // As deep as a guest may be.
  slot_[0] = stack[0] = stack[-1] = stack[page] = 'x';
  for (int i = 0; i < 257; ++i) ASSERT_TRUE(engine_->enter());
  for (int i = 0; i < 257; ++i) engine_->leave({.stack = stack + 100});
  EXPECT_EQ(stack[0], '\0');
  EXPECT_EQ(stack[-1], '\0');
  EXPECT_EQ(stack[page], 'x');
  EXPECT_EQ(slot_[0], 'x');
}

TEST_F(CoreEngineTest, LeavesTheSlotsOfTheLivingAlone) {
  crowd(300);
  ASSERT_TRUE(engine_->enter());
  core_.poll();
  EXPECT_EQ(engine_->trim_count(), 0);
  EXPECT_EQ(*slot_, 'x');
  engine_->leave();
  core_.poll();
  EXPECT_EQ(engine_->trim_count(), 1);
}

}  // namespace
}  // namespace canopy::wasm
