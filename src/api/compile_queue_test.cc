#include "api/compile_queue.h"

#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::api {
namespace {

std::string owner_of(const std::string& space) { return space.substr(0, 1); }

// One place, taken until release(); what ran, in order.
struct Bed {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> ran;
  std::promise<void> held;
  CompileQueue queue{1, owner_of};  // Last: it finishes what waits.

  Bed() {
    std::promise<void> begun;
    queue.post("x", [&begun, free = held.get_future().share()] {
      begun.set_value();
      free.wait();
    });
    begun.get_future().wait();
  }

  bool post(const std::string& space, const std::string& name) {
    return queue.post(space, [this, name] {
      const std::lock_guard lock(mutex);
      ran.push_back(name);
      changed.notify_all();
    });
  }

  // All `count` of them, in the order in which they ran.
  std::vector<std::string> release(std::size_t count) {
    held.set_value();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ran.size() == count; });
    return ran;
  }
};

TEST(CompileQueue, ManyOfOneOwnerDelayAnotherByOneTurn) {
  Bed bed;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(bed.post(i % 2 == 0 ? "a-one" : "a-two", "slow"));
  EXPECT_TRUE(bed.post("b", "hello"));
  const auto ran = bed.release(21);
  EXPECT_TRUE(ran[0] == "hello" || ran[1] == "hello");
}

TEST(CompileQueue, AnOwnerHasOnlySoManyWaiting) {
  Bed bed;
  for (std::size_t i = 0; i < CompileQueue::waiting_per_owner_max; ++i) EXPECT_TRUE(bed.post("a", "one"));
  EXPECT_FALSE(bed.post("a-other", "one too many"));
  EXPECT_TRUE(bed.post("b", "hello"));
  bed.release(CompileQueue::waiting_per_owner_max + 1);
}

TEST(CompileQueue, FinishesWhatWaits) {
  int count = 0;
  {
    CompileQueue queue(1, owner_of);
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(queue.post("a", [&count] { ++count; }));
  }
  EXPECT_EQ(count, 10);
}

}  // namespace
}  // namespace canopy::api
