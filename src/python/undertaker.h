#pragma once
// Ends processes and waits for their end, on the pool.
//
// Threads: any.
// Life:    shared by the processes' owners; the pool outlives close(), after which there is no use for it.

#include <mutex>
#include <set>

#include <sys/types.h>

#include "net/blocking_pool.h"

namespace canopy::python {

class Undertaker {
 public:
  explicit Undertaker(net::BlockingPool& pool) : pool_(pool) {}

  void add(pid_t process);
  // Ends it now; its end is waited for elsewhere.
  void bury(pid_t process);
  // Ends all that are left and waits for them; from now on bury() does nothing.
  void close();

 private:
  net::BlockingPool& pool_;
  std::mutex mutex_;
  std::set<pid_t> living_;  // Guarded by it.
};

}  // namespace canopy::python
