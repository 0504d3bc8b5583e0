#include "wasm/ticker.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include <pthread.h>
#include <sched.h>

namespace canopy::wasm {
namespace {

constexpr int hurry = 4;

// A slice is as short as the ticker is punctual, and a busy core lets a thread of its own rank wait for
// milliseconds. Without the right to a real-time rank it stays what it is.
void be_punctual() {
  const sched_param rank{.sched_priority = sched_get_priority_min(SCHED_FIFO)};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &rank);
}

}  // namespace

struct Ticker::Impl {
  std::vector<CoreEngine*> engines;
  Duration slice;
  std::mutex mutex;
  std::condition_variable_any stop;
  std::jthread thread;

  bool crowded() const {
    for (CoreEngine* engine : engines) {
      if (engine->core().crowded()) return true;
    }
    return false;
  }

  void run(const std::stop_token& token) {
    be_punctual();
    std::unique_lock lock(mutex);
    while (!token.stop_requested()) {
      const Duration period = crowded() ? slice / hurry : slice;
      stop.wait_for(lock, token, period, [] { return false; });
      for (CoreEngine* engine : engines) wasmtime_engine_increment_epoch(&engine->engine());
    }
  }
};

Ticker::Ticker(std::vector<CoreEngine*> engines, Duration slice) : impl_(std::make_unique<Impl>()) {
  impl_->engines = std::move(engines);
  impl_->slice = slice;
  impl_->thread = std::jthread([this](const std::stop_token& token) { impl_->run(token); });
}

Ticker::~Ticker() = default;

}  // namespace canopy::wasm
