#pragma once
// Where what blocks runs: SQLite, compiling, hashing. A fixed number of threads behind a bounded queue.
//
// Threads: run_blocking() from any io_context's thread; the task resumes there.
// Life:    the pool outlives every task given to it; the destructor finishes what is queued.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

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

// Runs `work` on the pool and resumes the caller with its value on the caller's own executor.
//   unavailable  the pool's queue is full
template <class T>
Task<Result<T>> run_blocking(BlockingPool& pool, std::function<Result<T>()> work);

}  // namespace canopy::net

#include "net/blocking_pool_inl.h"
