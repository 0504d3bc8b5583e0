#include "base/child.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
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

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void add(const ChildPlan& plan) {
    int number = 0;
    for (const int stream : plan.streams) {
      if (stream == no_stream) {
        posix_spawn_file_actions_addopen(&actions_, number, "/dev/null", number == 0 ? O_RDONLY : O_WRONLY,
                                         0);
      } else if (stream != same_stream) {
        posix_spawn_file_actions_adddup2(&actions_, stream, number);
      }
      ++number;
    }
    if (!plan.folder.empty()) posix_spawn_file_actions_addchdir_np(&actions_, plan.folder.c_str());
    posix_spawn_file_actions_addclosefrom_np(&actions_, number);
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class Attributes {
 public:
  explicit Attributes(ChildPlan::Group group) {
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigemptyset(&none);
    sigset_t usual;
    if (group == ChildPlan::Group::same) {
      sigemptyset(&usual);
      sigaddset(&usual, SIGPIPE);
    } else {
      sigfillset(&usual);
    }
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &usual);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (group == ChildPlan::Group::own) flags |= POSIX_SPAWN_SETPGROUP;
    if (group == ChildPlan::Group::session) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<pid_t> start_child(const ChildPlan& plan) {
  FileActions actions;
  actions.add(plan);
  const Attributes attributes(plan.group);
  std::vector<std::string> words = plan.words;
  std::vector<std::string> env = plan.env.value_or(std::vector<std::string>());
  const std::vector<char*> arguments = pointers(words);
  const std::vector<char*> variables = pointers(env);
  pid_t id = 0;
  const int error = posix_spawnp(&id, plan.program.c_str(), actions.get(), attributes.get(), arguments.data(),
                                 plan.env ? variables.data() : environ);
  if (error == 0) return id;
  return fail(Code::unavailable, std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

int above(int least, int number) {
  const int high = fcntl(number, F_DUPFD_CLOEXEC, least + 1);
  const int error = errno;
  close(number);
  errno = error;
  return high;
}

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
