#pragma once
// Where what blocks runs: SQLite, compiling, hashing. A fixed number of threads behind a bounded queue.
//
// Threads: run_blocking() from any io_context's thread; the task resumes there.
// Life:    the pool outlives every task given to it, and each io_context that waits for one outlives the
// pool:
//          a thread may still be leaving the io_context when the task has gone on. The destructor finishes
//          what is queued.

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "net/task.h"

namespace canopy::net {

class BlockingPool {
 public:
  BlockingPool(std::size_t thread_count, std::size_t queue_max);
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  // False when the queue is full.
  bool post(std::function<void()> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Runs `work` on the pool and resumes the caller with its value on the caller's own executor. `pool` is a
// BlockingPool, or another that work can be posted to.
//   unavailable  the pool's queue is full
template <class T, class Pool>
Task<Result<T>> run_blocking(Pool& pool, std::function<Result<T>()> work) {
  auto start = [&pool](auto handler, std::function<Result<T>()> job) {
    // The guard keeps the caller's io_context running while only the pool is at work; it ends there, too.
    // std::function wants to be copied, which a handler cannot be.
    using Waiting = std::pair<decltype(handler), asio::executor_work_guard<Executor>>;
    const Executor executor = asio::get_associated_executor(handler);
    auto waiting = std::make_shared<Waiting>(std::move(handler), asio::make_work_guard(executor));
    const auto finish = [executor](std::shared_ptr<Waiting> caller, Result<T> result) {
      asio::post(executor, [caller = std::move(caller), result = std::move(result)]() mutable {
        std::move(caller->first)(std::move(result));
      });
    };
    auto run = [finish, waiting, job = std::move(job)]() mutable { finish(std::move(waiting), job()); };
    if (!pool.post(std::move(run))) {
      finish(waiting, fail(Code::unavailable, "too much blocking work is queued already; try again shortly"));
    }
  };
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void(Result<T>)>(
      std::move(start), asio::use_awaitable_t<Executor>(), std::move(work));
}

}  // namespace canopy::net
