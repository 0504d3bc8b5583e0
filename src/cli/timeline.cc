#include "cli/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "cli/text_table.h"

namespace canopy::cli {
namespace {

constexpr double width_all = 40;
constexpr double seconds_max = 1e12;  // What a server says beyond that is no time.

struct Part {
  std::string_view name;
  double begun = 0;
  double took = 0;
};

double seconds_of(const Json& usage, std::string_view key) {
  return std::clamp(number_field(usage, key), 0.0, seconds_max);
}

// Some of it is always seen.
std::string bar(const Part& part, double whole) {
  if (whole <= 0 || part.took <= 0) return {};
  const auto column = [whole](double at) { return std::round(width_all * at / whole); };
  const double begun = std::min(column(part.begun), width_all - 1);
  const double ended = std::max(column(part.begun + part.took), begun + 1);
  return std::string(static_cast<std::size_t>(begun), ' ') +
         std::string(static_cast<std::size_t>(ended - begun), '#');
}

std::string padded(std::string text, std::size_t size) {
  text.append(size - std::min(size, width(text)), ' ');
  return text;
}

}  // namespace

std::vector<std::string> timeline(const Json& usage) {
  std::vector<Part> parts;
  double whole = 0;
  const auto add = [&](std::string_view name, std::string_view key) {
    if (field(usage, key) == nullptr) return;
    parts.push_back({.name = name, .begun = whole, .took = seconds_of(usage, key)});
    whole += parts.back().took;
  };
  add("queue", "queue_seconds");
  add("hop", "hop_seconds");
  if (seconds_of(usage, "start_seconds") > 0) add("start", "start_seconds");
  add("run", "run_seconds");

  std::size_t begun_width = 0;
  std::size_t took_width = 0;
  for (const Part& part : parts) {
    begun_width = std::max(begun_width, width(short_seconds(part.begun)));
    took_width = std::max(took_width, width(short_seconds(part.took)));
  }
  std::vector<std::string> lines;
  for (const Part& part : parts) {
    std::string line = padded(std::string(part.name), 5) + "  +" +
                       padded(short_seconds(part.begun), begun_width) + "  " +
                       padded(short_seconds(part.took), took_width) + "  " + bar(part, whole);
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

double waited_seconds(const Json& usage) {
  double sum = 0;
  for (const std::string_view key :
       std::to_array<std::string_view>({"queue_seconds", "hop_seconds", "start_seconds"})) {
    sum += seconds_of(usage, key);
  }
  return sum;
}

}  // namespace canopy::cli
