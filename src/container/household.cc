#include "container/household.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.h"

namespace canopy::container {
namespace {

constexpr std::size_t core_index = 1'000'000;  // None of those that calls run on.
constexpr std::size_t thread_count = 8;        // They wait for the engine most of the time.
constexpr Duration close_timeout = std::chrono::seconds(20);
constexpr std::chrono::milliseconds look_again{2};

}  // namespace

Household::Household(const RuntimeOptions& options, const Clock& clock)
    : options_(options), core_(core_index, clock) {
  std::error_code error;
  if (!std::filesystem::exists(options_.folder, error)) return;
  // An earlier server had containers: what it left behind goes, even if none is needed here for a long time.
  cleaner_ = std::jthread([this] {
    if (const auto made = engine(); !made) log::info("no containers here: {}", made.error().message);
  });
}

Household::~Household() {
  if (cleaner_.joinable()) cleaner_.join();
  if (keeper_ != nullptr) {
    // Once nothing has room any more, the keeper's thread ends.
    const Time deadline = system_clock().now() + close_timeout;
    exec::Alarm alarm(core_);
    std::function<void()> look = [&] {
      if (keeper_->used_room() == 0 || system_clock().now() > deadline) return core_.stop();
      alarm.set(core_.clock().now() + look_again, look);
    };
    core_.post([&] {
      keeper_->close();
      look();
    });
    thread_.join();
    if (keeper_->used_room() > 0) log::error("{} containers did not end in time", keeper_->used_room());
  }
  blocking_pool_.reset();
  core_.poll();  // What was let go of last ends here.
}

Result<Engine*> Household::engine() {
  const std::lock_guard lock(mutex_);
  if (engine_ != nullptr) return engine_.get();
  CANOPY_TRY(auto engine, options_.make_engine());
  CANOPY_TRY(const std::size_t orphans, engine->remove_orphans());
  if (orphans > 0) log::warn("removed {} containers that an earlier server left behind", orphans);
  engine_ = std::move(engine);
  blocking_pool_ = std::make_unique<net::BlockingPool>(thread_count, options_.containers_max);
  keeper_ = std::make_unique<Keeper>(
      *engine_, core_,
      [pool = blocking_pool_.get()](std::function<void()> work) { return pool->post(std::move(work)); },
      options_.containers_max);
  thread_ = std::jthread([this] { core_.run(); });
  log::info("container functions run with {}", engine_->name());
  return engine_.get();
}

std::shared_ptr<Pool> Household::make_pool(PoolOptions options) {
  return Pool::make(*keeper_, std::move(options));
}

}  // namespace canopy::container
