#include "worker/launcher.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/child.h"

namespace canopy::worker {
namespace {

// Of our environment a worker gets these alone: where certificates lie, and what sanitizers are to do.
constexpr std::array variables = {"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ",
                                  "ASAN_OPTIONS",  "TSAN_OPTIONS", "UBSAN_OPTIONS"};

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

struct Pair {
  Descriptor ours;
  Descriptor theirs;  // Above all numbers that it may be moved to.
};

Result<Pair> make_pair(int above) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(Code::unavailable, std::string("no connection to a worker can be made: ") +
                                       std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  }
  Descriptor ours(ends[0]);
  Descriptor low(ends[1]);
  Descriptor theirs(fcntl(low.get(), F_DUPFD_CLOEXEC, above));
  if (theirs.get() < 0) return fail(Code::unavailable, "no descriptor is left for a worker");
  return Pair{std::move(ours), std::move(theirs)};
}

Result<pid_t> spawn(const std::vector<Pair>& pairs) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  int next = first_descriptor;
  for (const Pair& pair : pairs) posix_spawn_file_actions_adddup2(&actions, pair.theirs.get(), next++);
  posix_spawn_file_actions_addclosefrom_np(&actions, next);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

  std::vector<std::string> words = {"/proc/self/exe", std::string(worker_child_word),
                                    std::to_string(getpid()), std::to_string(pairs.size() - 1)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::vector<std::string> entries;
  for (const char* const name : variables) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any.
    if (value != nullptr) entries.push_back(std::string(name) + "=" + value);
  }
  std::vector<char*> environment;
  for (std::string& entry : entries) environment.push_back(entry.data());
  environment.push_back(nullptr);
  pid_t process = 0;
  const int error = posix_spawn(&process, words.front().c_str(), &actions, &attributes, arguments.data(),
                                environment.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return fail(Code::unavailable, std::string("no worker process can be started: ") +
                                       std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
  }
  return process;
}

class ProcessLauncher final : public Launcher {
 public:
  Result<Launched> launch(exec::Core& own, const std::vector<exec::Core*>& cores) override {
    std::vector<Pair> pairs;
    const int above = first_descriptor + static_cast<int>(cores.size()) + 1;
    for (std::size_t i = 0; i < cores.size() + 1; ++i) {
      CANOPY_TRY(auto pair, make_pair(above));
      pairs.push_back(std::move(pair));
    }
    CANOPY_TRY(const pid_t process, spawn(pairs));
    Launched launched;
    launched.process = process;
    launched.control = net::make_frame_channel(own.io(), pairs.front().ours.release());
    for (std::size_t i = 0; i < cores.size(); ++i) {
      const auto end = std::make_shared<Descriptor>(std::move(pairs[i + 1].ours));
      launched.lines.emplace_back(
          [core = cores[i], end] { return net::make_frame_channel(core->io(), end->release()); });
    }
    return launched;
  }

  void kill(pid_t process) override { ::kill(process, SIGKILL); }

  std::optional<std::string> reap(pid_t process, bool wait) override {
    int status = 0;
    pid_t ended = 0;
    do {
      ended = waitpid(process, &status, wait ? 0 : WNOHANG);
    } while (ended < 0 && errno == EINTR);
    if (ended == 0) return std::nullopt;
    if (ended < 0) return "is gone";
    if (!WIFSIGNALED(status)) return "ended with status " + std::to_string(WEXITSTATUS(status));
    const int number = WTERMSIG(status);
    const char* const name = sigabbrev_np(number);
    return "was ended by signal " + std::to_string(number) +
           (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
  }
};

}  // namespace

std::unique_ptr<Launcher> make_process_launcher() { return std::make_unique<ProcessLauncher>(); }

}  // namespace canopy::worker
