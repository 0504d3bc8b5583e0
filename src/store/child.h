#pragma once
// A process beside the test, for what one process cannot show: being killed, losing rights, a lock held
// elsewhere.
//
// Threads: fork only while the test has a single thread.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

namespace canopy::store {

// Runs until its function returns, which is its exit code, or it is killed. At the end of life it is.
class Child {
 public:
  explicit Child(const std::function<int()>& body) : id_(fork()) {
    if (id_ == 0) _exit(body());
  }
  ~Child() {
    if (id_ > 0) kill();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t id() const { return id_; }

  // Its exit code; minus the signal where one ended it.
  int wait() {
    int status = 0;
    while (waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void kill() {
    ::kill(id_, SIGKILL);
    wait();
  }

 private:
  pid_t id_;
};

// What a child tells its test, a number at a time. Made before the child.
class Report {
 public:
  Report() { CANOPY_CHECK(pipe(ends_) == 0); }
  ~Report() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  bool tell(std::uint64_t number) const { return write(ends_[1], &number, sizeof number) == sizeof number; }
  // Waits for the next; a minute at most, and then says nothing.
  std::optional<std::uint64_t> hear() const {
    constexpr int patience_ms = 60'000;
    pollfd readable{ends_[0], POLLIN, 0};
    std::uint64_t number = 0;
    if (poll(&readable, 1, patience_ms) != 1 || read(ends_[0], &number, sizeof number) != sizeof number)
      return std::nullopt;
    return number;
  }

 private:
  int ends_[2] = {-1, -1};
};

inline int run_in_child(const std::function<int()>& body) { return Child(body).wait(); }

// For a child that is root: the rights of nobody, for whom permissions hold.
inline bool give_up_root() {
  constexpr unsigned nobody = 65534;
  return getuid() != 0 || (setgid(nobody) == 0 && setuid(nobody) == 0);
}

}  // namespace canopy::store
