#include "worker/launcher.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptor.h"
#include "worker/child.h"

namespace canopy::worker {
namespace {

// Of our environment a worker gets these alone: where certificates lie, and what sanitizers are to do.
constexpr std::array variables = {"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ",
                                  "ASAN_OPTIONS",  "TSAN_OPTIONS", "UBSAN_OPTIONS"};

struct Pair {
  Descriptor ours;
  Descriptor theirs;  // Above all numbers that it may be moved to.
};

Result<Pair> make_pair(int least) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(Code::unavailable, std::string("no connection to a worker can be made: ") +
                                       std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  }
  Descriptor ours(ends[0]);
  Descriptor theirs(above(least, ends[1]));
  if (!theirs) return fail(Code::unavailable, "no descriptor is left for a worker");
  return Pair{std::move(ours), std::move(theirs)};
}

Result<pid_t> start(const std::vector<Pair>& pairs) {
  ChildPlan child;
  child.program = "/proc/self/exe";
  child.words = {child.program, std::string(worker_child_word), std::to_string(getpid()),
                 std::to_string(pairs.size() - 1)};
  child.env.emplace();
  for (const char* const name : variables) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets any.
    if (value != nullptr) child.env->push_back(std::string(name) + "=" + value);
  }
  child.streams = {no_stream, no_stream, same_stream};
  for (const Pair& pair : pairs) child.streams.push_back(pair.theirs.get());
  auto started = start_child(child);
  if (started) return started;
  return fail(Code::unavailable, "no worker process can be started: " + started.error().message);
}

class ProcessLauncher final : public Launcher {
 public:
  Result<Launched> launch(exec::Core& own, const std::vector<exec::Core*>& cores) override {
    std::vector<Pair> pairs;
    const int least = first_descriptor + static_cast<int>(cores.size()) + 1;
    for (std::size_t i = 0; i < cores.size() + 1; ++i) {
      CANOPY_TRY(auto pair, make_pair(least));
      pairs.push_back(std::move(pair));
    }
    CANOPY_TRY(const pid_t process, start(pairs));
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
