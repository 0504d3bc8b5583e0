#include "cli/process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptor.h"

namespace canopy::cli {
namespace {

constexpr Duration end_timeout = std::chrono::seconds(30);  // Then a companion is ended the hard way.

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(Code::unavailable, std::string("cannot make a pipe: ") + std::strerror(errno));  // NOLINT
  }
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

// The variables of a process: the request's own, then those of the environment that it does not name.
std::vector<std::string> variables_of(const ProcessRequest& request, const Environment& environment) {
  std::vector<std::string> all = request.variables;
  for (const std::string_view entry : environment.entries()) {
    const std::string_view name = entry.substr(0, entry.find('=') + 1);
    bool named = false;
    for (const std::string& own : request.variables) named = named || own.starts_with(name);
    if (!named) all.emplace_back(entry);
  }
  return all;
}

struct Streams {
  int out = same_stream;
  int err = same_stream;
};

Result<pid_t> start_process(const ProcessRequest& request, const Environment& environment,
                            const Streams& streams) {
  const auto program = find_program(request.arguments.front(), environment);
  if (!program) {
    return fail(Code::not_found, "the program " + request.arguments.front() + " is not installed");
  }
  // Signals that we hold back (`canopy dev` reads them one by one) are not the child's business.
  auto started = start_child({.program = program->string(),
                              .words = request.arguments,
                              .env = variables_of(request, environment),
                              .folder = request.folder.string(),
                              .streams = {no_stream, streams.out, streams.err}});
  if (started) return started;
  return fail(Code::unavailable, "cannot start " + program->string() + ": " + started.error().message);
}

// As shells say it.
int exit_status(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Takes what is there to read; false at the end.
bool take(const Descriptor& from, std::string& to) {
  std::array<char, 65536> piece{};
  const ssize_t size = read(from.get(), piece.data(), piece.size());
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (size <= 0) return false;
  const auto room = process_output_max - to.size();
  to.append(piece.data(), std::min(static_cast<std::size_t>(size), room));
  return true;
}

// Reads both streams until they end; false if the time was up before.
bool collect(Descriptor& out, Descriptor& err, Time deadline, ProcessEnd& end) {
  while (out || err) {
    std::array<pollfd, 2> wanted = {{{out ? out.get() : -1, POLLIN, 0}, {err ? err.get() : -1, POLLIN, 0}}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    if (left.count() <= 0) return false;
    if (poll(wanted.data(), wanted.size(), static_cast<int>(std::min<long>(left.count(), 1 << 30))) < 0)
      continue;
    if (wanted[0].revents != 0 && !take(out, end.out)) out.reset();
    if (wanted[1].revents != 0 && !take(err, end.err)) err.reset();
  }
  return true;
}

}  // namespace

Result<ProcessEnd> run_process(const ProcessRequest& request, const Environment& environment) {
  CANOPY_TRY(Pipe out, make_pipe());
  CANOPY_TRY(Pipe err, make_pipe());
  CANOPY_TRY(const pid_t id,
             start_process(request, environment, {.out = out.write.get(), .err = err.write.get()}));
  out.write.reset();
  err.write.reset();
  ProcessEnd end;
  const Time deadline = system_clock().now() + request.timeout;
  // It may close its streams and go on.
  const bool at_end = collect(out.read, err.read, deadline, end);
  const auto status = at_end ? wait_for_child(id, deadline - system_clock().now()) : std::nullopt;
  if (status) {
    end.status = exit_status(*status);
    return end;
  }
  kill_child(id);
  return fail(Code::deadline, request.arguments.front() + " took longer than " +
                                  duration_text(request.timeout) +
                                  " and was ended; run it by hand to see why");
}

Result<Companion> Companion::start(const ProcessRequest& request, const Environment& environment) {
  CANOPY_TRY(const pid_t id, start_process(request, environment, {}));
  return Companion(id);
}

Companion::~Companion() {
  if (id_ <= 0) return;
  kill(id_, SIGTERM);
  if (!wait_for_child(id_, end_timeout)) kill_child(id_);
}

bool Companion::is_alive() {
  if (id_ <= 0) return false;
  int status = 0;
  if (waitpid(id_, &status, WNOHANG) == 0) return true;
  id_ = -1;
  return false;
}

std::optional<std::filesystem::path> find_program(std::string_view name, const Environment& environment) {
  const auto is_program = [](const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string_view::npos) {
    if (!is_program(name)) return std::nullopt;
    return std::filesystem::absolute(name);
  }
  std::string path = environment.get("PATH");
  if (path.empty()) path = "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::filesystem::path candidate = std::filesystem::path(path.substr(at, end - at)) / name;
    if (end > at && is_program(candidate)) return candidate;
    at = end + 1;
  }
  return std::nullopt;
}

}  // namespace canopy::cli
