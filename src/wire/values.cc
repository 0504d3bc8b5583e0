#include "wire/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/log.h"
#include "base/words.h"

namespace canopy::wire {
namespace {

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), lower);
  return result;
}

struct Spelling {
  std::string_view written;  // In lower case.
  std::string_view unit;
};

// What people write for a unit, and what we call it.
constexpr std::array<Spelling, 15> size_spellings = {{{"k", "KiB"},
                                                      {"kb", "KiB"},
                                                      {"ki", "KiB"},
                                                      {"kib", "KiB"},
                                                      {"m", "MiB"},
                                                      {"mb", "MiB"},
                                                      {"mi", "MiB"},
                                                      {"mib", "MiB"},
                                                      {"megabytes", "MiB"},
                                                      {"g", "GiB"},
                                                      {"gb", "GiB"},
                                                      {"gi", "GiB"},
                                                      {"gib", "GiB"},
                                                      {"bytes", "B"},
                                                      {"byte", "B"}}};
constexpr std::array<Spelling, 16> time_spellings = {{{"", "s"},
                                                      {"sec", "s"},
                                                      {"secs", "s"},
                                                      {"second", "s"},
                                                      {"seconds", "s"},
                                                      {"s", "s"},
                                                      {"msec", "ms"},
                                                      {"millis", "ms"},
                                                      {"milliseconds", "ms"},
                                                      {"ms", "ms"},
                                                      {"min", "m"},
                                                      {"mins", "m"},
                                                      {"minute", "m"},
                                                      {"minutes", "m"},
                                                      {"hour", "h"},
                                                      {"hours", "h"}}};

// The value with its unit as we write it: "64 MB" -> "64MiB"; "" where it cannot be guessed.
template <std::size_t N>
std::string respelled(std::string_view text, const std::array<Spelling, N>& spellings) {
  const std::string folded = in_lower_case(text.substr(0, 40));
  const std::size_t digits_end = folded.find_first_not_of("0123456789.");
  const std::string number = folded.substr(0, digits_end);
  if (number.empty() || number.front() == '.') return "";
  std::string unit = digits_end == std::string::npos ? "" : folded.substr(digits_end);
  std::erase(unit, ' ');
  for (const Spelling& spelling : spellings) {
    if (spelling.written == unit) return number + std::string(spelling.unit);
  }
  return "";
}

tl::unexpected<Error> refuse(std::string message) { return fail(Code::invalid, std::move(message)); }

}  // namespace

std::string in_quotes(std::string_view text) { return "'" + log_safe(text, 80) + "'"; }

Result<std::uint64_t> read_size(std::string_view text, SizeRange range) {
  const auto bytes = parse_size(text);
  if (!bytes) {
    const std::string guess = respelled(text, size_spellings);
    return refuse(in_quotes(text) + " is not a size; write " +
                  (guess.empty() || !parse_size(guess) ? "one such as 64MiB" : guess));
  }
  if (*bytes < range.min) {
    const std::string hint = text.find_first_not_of("0123456789") == std::string_view::npos
                                 ? ", and without a unit it counts bytes"
                                 : "";
    return refuse(in_quotes(text) + " is too small: the least is " + size_text(range.min) + hint);
  }
  if (*bytes > range.max)
    return refuse(in_quotes(text) + " is too large: the most is " + size_text(range.max));
  return *bytes;
}

Result<Duration> read_duration(std::string_view text, DurationRange range) {
  const auto duration = parse_duration(text);
  if (!duration) {
    const std::string guess = respelled(text, time_spellings);
    return refuse(in_quotes(text) + " is not a duration; write " +
                  (guess.empty() || !parse_duration(guess) ? "one such as 250ms, 5s or 2m" : guess));
  }
  if (*duration < range.min) {
    return refuse(in_quotes(text) + " is too short: the least is " + duration_text(range.min));
  }
  if (*duration > range.max) {
    return refuse(in_quotes(text) + " is too long: the most is " + duration_text(range.max));
  }
  return *duration;
}

Result<std::uint64_t> read_count(std::string_view text, CountRange range) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, count);
  const bool whole = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (!whole) return refuse(in_quotes(text) + " is not a whole number");
  if (result.ec == std::errc::result_out_of_range || count > range.max) {
    return refuse(in_quotes(text) + " is too large: the most is " + std::to_string(range.max));
  }
  if (count < range.min) {
    return refuse(in_quotes(text) + " is too small: the least is " + std::to_string(range.min));
  }
  return count;
}

Result<bool> read_bool(std::string_view text) {
  const std::string word = in_lower_case(text.substr(0, 8));
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (word == yes) return true;
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (word == no) return false;
  }
  return refuse(in_quotes(text) + " is neither true nor false");
}

}  // namespace canopy::wire
