#include "base/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace canopy {
namespace {

constexpr Duration kill_timeout = std::chrono::seconds(10);
constexpr std::chrono::milliseconds pause_without_pidfd{10};

// The C library's own function cannot be linked from C++ in version 2.36.
int open_pidfd(pid_t id) {
  return static_cast<int>(syscall(SYS_pidfd_open, id, 0));  // NOLINT(cppcoreguidelines-pro-type-vararg)
}

// Its status where it has ended. One that is not ours, or no more, counts as ended.
std::optional<int> look(pid_t id) {
  int status = 0;
  for (;;) {
    const pid_t found = waitpid(id, &status, WNOHANG);
    if (found == 0) return std::nullopt;
    if (found < 0 && errno == EINTR) continue;
    return status;
  }
}

}  // namespace

std::optional<int> wait_for_child(pid_t id, Duration timeout) {
  const Time deadline = system_clock().now() + timeout;
  const int descriptor = open_pidfd(id);
  for (;;) {
    std::optional<int> status = look(id);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    if (status || left.count() <= 0) {
      if (descriptor >= 0) close(descriptor);
      return status;
    }
    pollfd wanted{descriptor, POLLIN, 0};
    const auto pause = descriptor >= 0 ? std::min<std::chrono::milliseconds>(left, std::chrono::minutes(1))
                                       : std::min(left, pause_without_pidfd);
    poll(&wanted, descriptor >= 0 ? 1 : 0, static_cast<int>(pause.count()));
  }
}

std::optional<int> kill_child(pid_t id) {
  kill(id, SIGKILL);
  return wait_for_child(std::abs(id), kill_timeout);
}

}  // namespace canopy
