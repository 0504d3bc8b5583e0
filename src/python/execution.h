#pragma once
// One call of a Python function: gets a process, gives it the input, takes its answer and its log, and sees
// to it that the process is gone before the reply is, or kept for the function's next call.
//
// Threads: one core's.

#include <deque>
#include <memory>
#include <string>

#include "exec/core.h"
#include "exec/runtime.h"
#include "python/process_pool.h"

namespace canopy::python {

// The places for calls on one core. Who finds none waits in line.
class Places {
 public:
  class Taker {
   public:
    virtual ~Taker() = default;
    virtual void on_place() = 0;
  };

  Places(std::size_t count, std::size_t waiting_max) : free_(count), waiting_max_(waiting_max) {}

  enum class Taken : std::uint8_t { now, later, refused };
  Taken take(Taker& taker);
  void leave_line(Taker& taker);
  void give();

 private:
  std::size_t free_;
  const std::size_t waiting_max_;
  std::deque<Taker*> line_;
};

// The processes of a function on a core.
class PoolSource {
 public:
  virtual ~PoolSource() = default;
  // Starts a warmed process where there is none for the function as it is now; `started` says so.
  //   unavailable  there are as many as there may be, and all are busy
  virtual Result<std::shared_ptr<ProcessPool>> find(const Function& function, exec::Core& core,
                                                    bool& started) = 0;
  virtual Places& places(exec::Core& core) = 0;
  // A process was given back and waits.
  virtual void settle(exec::Core& core) = 0;
};

std::unique_ptr<exec::Instance> make_execution(std::shared_ptr<PoolSource> source, exec::Core& core);

}  // namespace canopy::python
