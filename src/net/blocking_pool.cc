#include "net/blocking_pool.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.h"

namespace canopy::net {

struct BlockingPool::Impl {
  explicit Impl(std::size_t max) : queue_max(max) {}

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      something_to_do.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      const auto job = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      run(job);
      lock.lock();
    }
  }

  static void run(const std::function<void()>& job) {
    try {
      job();
    } catch (const std::exception& exception) {
      log::critical("blocking work ended by an exception, which nothing here should raise: {}",
                    exception.what());
      std::abort();
    }
  }

  const std::size_t queue_max;

  std::mutex mutex;
  std::condition_variable something_to_do;
  std::deque<std::function<void()>> queue;
  bool stopping = false;

  std::vector<std::jthread> threads;
};

BlockingPool::BlockingPool(std::size_t thread_count, std::size_t queue_max)
    : impl_(std::make_unique<Impl>(queue_max)) {
  for (std::size_t i = 0; i < std::max<std::size_t>(thread_count, 1); ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
  }
}

BlockingPool::~BlockingPool() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->something_to_do.notify_all();
}

bool BlockingPool::post(std::function<void()> work) {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (impl_->queue.size() >= impl_->queue_max) return false;
    impl_->queue.push_back(std::move(work));
  }
  impl_->something_to_do.notify_one();
  return true;
}

}  // namespace canopy::net
