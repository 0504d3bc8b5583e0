#pragma once
// A process beside the test, for what one process cannot show: being killed, losing rights, a lock held
// elsewhere.
//
// Threads: fork only while the test has a single thread.

#include <cerrno>
#include <csignal>
#include <functional>

#include <sys/wait.h>
#include <unistd.h>

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

inline int run_in_child(const std::function<int()>& body) { return Child(body).wait(); }

// For a child that is root: the rights of nobody, for whom permissions hold.
inline bool give_up_root() {
  constexpr unsigned nobody = 65534;
  return getuid() != 0 || (setgid(nobody) == 0 && setuid(nobody) == 0);
}

}  // namespace canopy::store
