#pragma once
// Makes functions ready to run, once for all cores however many calls wait for it.
//
// What was made before is found on the disk pool in microseconds; what has to be compiled goes to the compile
// queue, so that nobody's first call waits behind somebody's deployment.
//
// Threads: all methods, any thread.
// Life:    outlives the work in pool and queue.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api/compile_queue.h"
#include "base/clock.h"
#include "exec/runtime.h"
#include "net/blocking_pool.h"

namespace canopy::api {

using exec::Runtimes;

class Templates {
 public:
  using Made = Result<std::shared_ptr<exec::Template>>;
  using Done = std::function<void(const Made& made)>;

  Templates(const Runtimes& runtimes, net::BlockingPool& disk, CompileQueue& compile, const Clock& clock)
      : runtimes_(runtimes), disk_(disk), compile_(compile), clock_(clock) {}

  // Calls `done` once, on another thread or at once. A failure to compile is remembered for a while, so that
  // calls of a function that cannot run do not keep the compiler busy.
  //   unavailable  there is no such runtime here, or a pool's queue is full
  //   and what Runtime::prepare() says
  void get(std::shared_ptr<const Function> function, Done done);

  // Makes `function` now, on the caller's thread: one of the compile queue's.
  //   unavailable  the server stops
  //   and what Runtime::prepare() says
  Made make(exec::Runtime& runtime, const Function& function) const;

  // From now on nothing new is made, so that what waits in the pools ends at once.
  void stop() { stopping_.store(true, std::memory_order_relaxed); }

  //   refused  no runtime of that name
  Result<exec::Runtime*> find_runtime(const std::string& name) const;

 private:
  struct Flight {
    std::vector<Done> waiting;
  };
  struct Failure {
    Error error;
    Time until{};
  };

  void start(const std::string& key, std::shared_ptr<const Function> function);
  void land(const std::string& key, Made made);

  const Runtimes& runtimes_;
  net::BlockingPool& disk_;
  CompileQueue& compile_;
  const Clock& clock_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::map<std::string, Flight> flights_;    // Guarded by mutex_; by name and version, as are the failures.
  std::map<std::string, Failure> failures_;  // Guarded by mutex_.
};

}  // namespace canopy::api
