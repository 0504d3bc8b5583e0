#pragma once
// Lines for the log that somebody else can cause as often as he likes: of those that come within a while the
// first few are written, and the first of the next while says how many were left out.
//
// Threads: one.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"

namespace canopy {

class Sparing {
 public:
  Sparing(std::size_t lines_max, Duration period) : lines_max_(lines_max), period_(period) {}

  // `line` as it is to be written now; nothing: it is left out.
  std::optional<std::string> take(std::string line, Time now) {
    if (now >= until_) {
      until_ = now + period_;
      count_ = 0;
    }
    if (count_ >= lines_max_) {
      ++left_out_;
      return std::nullopt;
    }
    ++count_;
    const std::uint64_t left_out = std::exchange(left_out_, 0);
    if (left_out > 0) line += " (" + std::to_string(left_out) + " such lines before it were left out)";
    return line;
  }

 private:
  const std::size_t lines_max_;
  const Duration period_;
  Time until_{};
  std::size_t count_ = 0;  // Written in this while.
  std::uint64_t left_out_ = 0;
};

}  // namespace canopy
