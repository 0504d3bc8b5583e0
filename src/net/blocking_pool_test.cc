#include "net/blocking_pool.h"

#include <array>
#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace canopy::net {
namespace {

template <class T>
Task<void> keep(BlockingPool& pool, std::function<Result<T>()> work, std::optional<Result<T>>* result,
                std::thread::id* resumed_on) {
  *result = co_await run_blocking(pool, std::move(work));
  *resumed_on = std::this_thread::get_id();
}

TEST(BlockingPool, RunsElsewhereAndResumesHere) {
  asio::io_context io;
  BlockingPool pool(1, 10);
  std::thread::id ran_on;
  std::thread::id resumed_on;
  std::optional<Result<std::string>> result;
  const std::function<Result<std::string>()> work = [&ran_on]() -> Result<std::string> {
    ran_on = std::this_thread::get_id();
    return std::string(1000, 'x');
  };
  asio::co_spawn(io.get_executor(), keep(pool, work, &result, &resumed_on), asio::detached);
  io.run();  // Does not end while the pool is at work.
  ASSERT_TRUE(result && result->has_value());
  EXPECT_EQ(**result, std::string(1000, 'x'));
  EXPECT_NE(ran_on, std::this_thread::get_id());
  EXPECT_EQ(resumed_on, std::this_thread::get_id());
}

TEST(BlockingPool, PassesErrorsOn) {
  asio::io_context io;
  BlockingPool pool(2, 10);
  std::thread::id resumed_on;
  std::optional<Result<int>> result;
  const std::function<Result<int>()> work = []() -> Result<int> { return fail(Code::conflict, "twice"); };
  asio::co_spawn(io.get_executor(), keep(pool, work, &result, &resumed_on), asio::detached);
  io.run();
  ASSERT_TRUE(result);
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Code::conflict);
  EXPECT_EQ(result->error().message, "twice");
}

TEST(BlockingPool, ReturnsNothingAsWell) {
  asio::io_context io;
  BlockingPool pool(1, 10);
  std::thread::id resumed_on;
  std::optional<Result<void>> result;
  const std::function<Result<void>()> work = []() -> Result<void> { return {}; };
  asio::co_spawn(io.get_executor(), keep(pool, work, &result, &resumed_on), asio::detached);
  io.run();
  EXPECT_TRUE(result && result->has_value());
}

TEST(BlockingPool, RefusesWhenTheQueueIsFull) {
  asio::io_context io;
  std::promise<void> begun;
  std::promise<void> gate;
  std::atomic<int> done = 0;
  auto pool = std::make_unique<BlockingPool>(1, 2);
  ASSERT_TRUE(pool->post([&] {
    begun.set_value();
    gate.get_future().wait();
    ++done;
  }));
  begun.get_future().wait();
  EXPECT_TRUE(pool->post([&done] { ++done; }));
  EXPECT_TRUE(pool->post([&done] { ++done; }));
  EXPECT_FALSE(pool->post([&done] { done += 100; }));

  std::thread::id resumed_on;
  std::optional<Result<int>> result;
  const std::function<Result<int>()> work = []() -> Result<int> { return 1; };
  asio::co_spawn(io.get_executor(), keep(*pool, work, &result, &resumed_on), asio::detached);
  io.run();
  ASSERT_TRUE(result);
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Code::unavailable);
  EXPECT_EQ(resumed_on, std::this_thread::get_id());

  gate.set_value();
  pool.reset();  // Finishes what is queued.
  EXPECT_EQ(done, 3);
}

TEST(BlockingPool, ServesManyCallersOnManyThreads) {
  std::array<asio::io_context, 4> contexts;
  BlockingPool pool(4, 10'000);
  std::atomic<int> sum = 0;
  std::vector<std::jthread> threads;
  for (auto& io : contexts) {
    threads.emplace_back([&pool, &sum, &io] {
      std::vector<std::optional<Result<int>>> results(200);
      std::thread::id resumed_on;
      for (auto& result : results) {
        const std::function<Result<int>()> work = []() -> Result<int> { return 1; };
        asio::co_spawn(io.get_executor(), keep(pool, work, &result, &resumed_on), asio::detached);
      }
      io.run();
      for (const auto& result : results) sum += result && result->has_value() ? **result : 0;
    });
  }
  threads.clear();
  EXPECT_EQ(sum, 800);
}

}  // namespace
}  // namespace canopy::net
