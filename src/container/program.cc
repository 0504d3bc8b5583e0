#include "container/program.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptor.h"
#include "base/units.h"

namespace canopy::container {
namespace {

constexpr std::size_t words_kept = 8 * KiB;

}  // namespace

Result<ProgramEnd> run_program(const std::vector<std::string>& words, Duration timeout) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail(Code::unavailable, "no descriptor is left");
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const Time deadline = system_clock().now() + timeout;
  const auto process =
      start_child({.program = words.front(), .words = words, .streams = {no_stream, to.get(), to.get()}});
  if (!process)
    return fail(Code::unavailable, "cannot start " + words.front() + ": " + process.error().message);
  to.reset();
  ProgramEnd end;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    pollfd wanted{from.get(), POLLIN, 0};
    if (left.count() <= 0) break;
    const int found = poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (found == 0 || (found < 0 && errno == EINTR)) continue;
    std::array<char, 4096> piece{};
    const ssize_t got = read(from.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    end.words.append(piece.data(), static_cast<std::size_t>(got));
    if (end.words.size() > 2 * words_kept) end.words.erase(0, end.words.size() - words_kept);
  }
  const Duration left = std::max<Duration>(deadline - system_clock().now(), std::chrono::milliseconds(1));
  if (const auto status = wait_for_child(*process, left)) {
    end.status = *status;
    if (end.words.size() > words_kept) end.words.erase(0, end.words.size() - words_kept);
    return end;
  }
  static_cast<void>(kill_child(*process));
  return fail(Code::unavailable, words.front() + " did not end within " + duration_text(timeout));
}

}  // namespace canopy::container
