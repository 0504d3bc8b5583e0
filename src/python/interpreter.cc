#include "python/interpreter.h"

#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/descriptor.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;

constexpr Duration start_timeout = std::chrono::seconds(20);
constexpr std::size_t words_bytes_max = 8192;
constexpr int minor_min = 9;
constexpr const char* question =
    "import os, sys\n"
    "print(sys.version_info[0], sys.version_info[1], os.path.realpath(sys.executable), "
    "os.path.realpath(sys.base_prefix), sep='\\n')\n";

tl::unexpected<Error> missing(const std::string& name) {
  const bool is_usual = name == "python3";
  return fail(
      Code::unavailable,
      "Python functions need Python 3.9 or later on this machine, and '" + name + "' is none: " +
          (is_usual ? "install it with `apt-get install python3`" : "name another program with --python"));
}

// What it says within the time; "" where it does not run.
std::string ask(const std::string& name) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const auto process = start_child(
      {.program = name, .words = {name, "-I", "-c", question}, .streams = {no_stream, to.get(), no_stream}});
  to.reset();
  if (!process) return {};
  std::string said;
  const Time deadline = system_clock().now() + start_timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    pollfd wanted{from.get(), POLLIN, 0};
    if (left.count() <= 0 || poll(&wanted, 1, static_cast<int>(left.count())) <= 0) break;
    std::array<char, 1024> piece{};
    const ssize_t got = read(from.get(), piece.data(), piece.size());
    if (got <= 0 || said.size() > words_bytes_max) break;
    said.append(piece.data(), static_cast<std::size_t>(got));
  }
  const auto status = wait_for_child(*process, std::chrono::seconds(1));
  if (!status) static_cast<void>(kill_child(*process));
  return status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0 ? said : std::string();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}

}  // namespace

Result<Interpreter> find_interpreter(const std::string& name) {
  if (name == "off") return fail(Code::refused, "this server runs no functions in Python: --python=off");
  const auto lines = lines_of(ask(name));
  if (lines.size() != 4 || lines[0] != "3" || !lines[2].starts_with('/') || !lines[3].starts_with('/')) {
    return missing(name);
  }
  int minor = 0;
  std::from_chars(lines[1].data(), lines[1].data() + lines[1].size(), minor);
  if (minor < minor_min) return missing(name);
  return Interpreter{.program = lines[2], .prefix = lines[3], .version = "3." + lines[1]};
}

}  // namespace canopy::python
