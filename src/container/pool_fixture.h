#pragma once
// For tests: pools whose containers are pairs of sockets (fake_engine.h), and calls that have one. All of it
// is on one thread: the core of the calls is the keeper's, and what blocks does not.
//
// Threads: one.

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "container/fake_engine.h"
#include "container/keeper.h"
#include "container/pool.h"

namespace canopy::container {

class PoolTest : public testing::Test {
 protected:
  // So many containers there may be, of which one namespace may have a part.
  explicit PoolTest(std::size_t containers_max = 4) : keeper_(engine_, core_, run_at_once, containers_max) {}
  ~PoolTest() override {
    keeper_.close();
    core_.poll();
  }

  std::shared_ptr<Pool> make(wire::ContainerSettings settings, const FunctionName& function = {}) {
    PoolOptions options;
    options.function = function;
    options.settings = std::move(settings);
    options.plan.memory_bytes = 64 * MiB;
    auto pool = Pool::make(keeper_, std::move(options));
    core_.poll();
    return pool;
  }

  FakeContainer& container(std::size_t i) { return *engine_.containers.at(i); }

  void pass(Duration time) {
    clock_.advance(time);
    core_.poll();
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  FakeEngine engine_;
  Keeper keeper_;

 private:
  static bool run_at_once(const std::function<void()>& work) {
    work();
    return true;
  }
};

// Calls of one function, whose server is the test.
class CallTest : public PoolTest {
 protected:
  struct Running {
    Call call;
    CallLog log{1000};
    std::unique_ptr<exec::Instance> instance;
    std::optional<Reply> reply;

    // Nothing where it has not failed.
    std::optional<Code> failure() const {
      return reply && reply->error ? std::optional(reply->error->code) : std::nullopt;
    }
  };

  explicit CallTest(std::size_t containers_max = 4) : PoolTest(containers_max) {}
  ~CallTest() override {
    pool_.reset();
    keeper_.close();  // Calls that have no answer end before what they refer to.
    core_.poll();
  }

  // `call` has ten seconds.
  std::shared_ptr<Running> begin(std::unique_ptr<exec::Instance> instance, Call call) {
    auto running = std::make_shared<Running>();
    running->call = std::move(call);
    running->call.function = &function_;
    running->call.queued = clock_.now();
    running->call.deadline = clock_.now() + std::chrono::seconds(10);
    running->call.log = &running->log;
    running->instance = std::move(instance);
    net::asio::co_spawn(core_.io(), running->instance->run(running->call),
                        [running](const std::exception_ptr& error, Reply reply) {
                          if (error) std::rethrow_exception(error);
                          running->reply = std::move(reply);
                        });
    core_.poll();
    return running;
  }

  Function function_;
  std::shared_ptr<Pool> pool_;
};

}  // namespace canopy::container
