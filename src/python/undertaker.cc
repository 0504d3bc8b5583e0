#include "python/undertaker.h"

#include <csignal>
#include <utility>

#include "base/child.h"

namespace canopy::python {

void Undertaker::add(pid_t process) {
  const std::lock_guard lock(mutex_);
  living_.insert(process);
}

void Undertaker::bury(pid_t process) {
  const std::lock_guard lock(mutex_);
  if (living_.erase(process) == 0) return;
  ::kill(process, SIGKILL);
  // Where the pool is full it stays a corpse until the server ends.
  static_cast<void>(pool_.post([process] { static_cast<void>(kill_child(process)); }));
}

void Undertaker::close() {
  std::set<pid_t> left;
  {
    const std::lock_guard lock(mutex_);
    std::swap(left, living_);
  }
  for (const pid_t process : left) ::kill(process, SIGKILL);
  for (const pid_t process : left) static_cast<void>(kill_child(process));
}

}  // namespace canopy::python
