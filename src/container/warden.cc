#include "container/warden.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/units.h"
#include "container/program.h"
#include "exec/cgroup.h"
#include "wire/json_find.h"

namespace canopy::container {
namespace {

constexpr Duration start_timeout = std::chrono::seconds(30);
constexpr Duration delete_timeout = std::chrono::seconds(30);
constexpr std::size_t words_bytes_max = 4 * KiB;

void say(const std::string& packet) {
  // Where nobody listens any more, that is heard of by poll().
  static_cast<void>(send(warden_descriptor, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What runc says of its failure, in a log of JSON lines: the "msg" of the last of them.
std::string reason_of(std::string_view log) {
  while (log.ends_with('\n')) log.remove_suffix(1);
  const std::size_t before = log.rfind('\n');
  const std::string words = wire::find_text(before == log.npos ? log : log.substr(before + 1), "msg");
  return words.empty() ? "runc did not say why" : words.substr(0, words_bytes_max);
}

class Warden {
 public:
  explicit Warden(WardenPlan plan) : plan_(std::move(plan)) {}

  int run() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);  // What runc starts becomes our child when runc ends.
    const auto started = start();
    if (!started) {
      remove();
      say("failed " + started.error().message);
      return 1;
    }
    release_streams();
    const exec::Cgroup cgroup(process_);
    say("started " + std::to_string(process_));
    const int status = wait();
    say("ended " + std::to_string(status) + (cgroup.is_out_of_memory() ? " 1" : " 0"));
    remove();
    say("gone");
    return 0;
  }

 private:
  // runc itself, with the container's streams, which it hands on.
  Result<void> start() {
    const std::string log = plan_.bundle + "/runc.log";
    const std::string pid_file = plan_.bundle + "/pid";
    const std::vector<std::string> words = {plan_.runc,     "--root",     plan_.state, "--log",    log,
                                            "--log-format", "json",       "run",       "--detach", "--bundle",
                                            plan_.bundle,   "--pid-file", pid_file,    plan_.id};
    const auto runc = start_child({.program = plan_.runc,
                                   .words = words,
                                   .streams = {same_stream, same_stream, same_stream},
                                   .group = ChildPlan::Group::own});  // What we ignore the container hears.
    if (!runc) return fail(Code::unavailable, "runc cannot be started: " + runc.error().message);
    const auto status = wait_for_child(*runc, start_timeout);
    if (!status) {
      static_cast<void>(kill_child(*runc));
      return fail(Code::unavailable, "runc did not start it within " + duration_text(start_timeout));
    }
    const std::string number = read_file(pid_file);
    std::from_chars(number.data(), number.data() + number.size(), process_);
    if (*status == 0 && process_ > 0) return {};
    return fail(Code::refused, reason_of(read_file(log)));
  }

  // Else they would look open for as long as this process lives.
  static void release_streams() {
    const Descriptor nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing.get(), number);
  }

  // Until the container has ended; its status.
  int wait() {
    // The C library's own function cannot be linked from C++ in version 2.36.
    const Descriptor end(
        static_cast<int>(syscall(SYS_pidfd_open, process_, 0)));  // NOLINT(cppcoreguidelines-pro-type-vararg)
    Time kill_at = never;
    bool listens = true;
    for (;;) {
      int status = 0;
      const pid_t ended = waitpid(process_, &status, WNOHANG);
      if (ended == process_ || (ended < 0 && errno == ECHILD)) return status;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(kill_at - system_clock().now());
      if (kill_at != never && left.count() <= 0) {
        kill(process_, SIGKILL);
        kill_at = never;
      }
      std::array<pollfd, 2> wanted = {pollfd{end.get(), POLLIN, 0},
                                      pollfd{listens ? warden_descriptor : -1, POLLIN, 0}};
      const int most =
          kill_at == never ? 60'000 : static_cast<int>(std::clamp<std::int64_t>(left.count(), 1, 60'000));
      if (poll(wanted.data(), wanted.size(), most) <= 0 || wanted[1].revents == 0) continue;
      std::array<char, 64> packet{};
      const ssize_t got = recv(warden_descriptor, packet.data(), packet.size() - 1, MSG_DONTWAIT);
      if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      Duration grace{};
      if (got <= 0) {
        listens = false;
      } else {
        grace = read_grace({packet.data(), static_cast<std::size_t>(got)});
        if (grace.count() > 0) kill(process_, SIGTERM);
      }
      kill_at = std::min(kill_at, system_clock().now() + grace);
    }
  }

  static Duration read_grace(std::string_view packet) {
    std::int64_t milliseconds = 0;
    constexpr std::string_view word = "stop ";
    if (packet.starts_with(word)) {
      std::from_chars(packet.data() + word.size(), packet.data() + packet.size(), milliseconds);
    }
    return std::chrono::milliseconds(std::clamp<std::int64_t>(milliseconds, 0, 3'600'000));
  }

  void remove() const {
    static_cast<void>(
        run_program({plan_.runc, "--root", plan_.state, "delete", "--force", plan_.id}, delete_timeout));
  }

  const WardenPlan plan_;
  pid_t process_ = 0;
};

}  // namespace

std::vector<std::string> warden_words(const WardenPlan& plan) {
  return {"/proc/self/exe", std::string(warden_word), plan.runc, plan.state, plan.bundle, plan.id};
}

bool is_warden(int count, const char* const* arguments) {
  return count == 6 && std::string_view(arguments[1]) == warden_word;
}

int warden(int /*count*/, const char* const* arguments) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    std::signal(number, SIG_IGN);  // Its end is the container's, or the server's.
  }
  return Warden({.runc = arguments[2], .state = arguments[3], .bundle = arguments[4], .id = arguments[5]})
      .run();
}

}  // namespace canopy::container
