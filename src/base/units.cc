#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>

namespace canopy {
namespace {

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<SizeUnit, 9> size_units = {{{"GiB", GiB},
                                                 {"MiB", MiB},
                                                 {"KiB", KiB},
                                                 {"GB", 1'000'000'000},
                                                 {"MB", 1'000'000},
                                                 {"kB", 1000},
                                                 {"KB", 1000},
                                                 {"B", 1},
                                                 {"", 1}}};

struct TimeUnit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr std::array<TimeUnit, 7> time_units = {{{"d", 86'400'000'000'000},
                                                 {"h", 3'600'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"ms", 1'000'000},
                                                 {"us", 1000},
                                                 {"ns", 1}}};
constexpr double longest_ns = 100.0 * 366 * 86'400e9;

struct Split {
  double number;
  std::string_view unit;
};

std::optional<Split> split(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (result.ec != std::errc{} || !std::isfinite(number) || number < 0 || text.starts_with('-')) {
    return std::nullopt;
  }
  return Split{number, std::string_view(result.ptr, static_cast<std::size_t>(end - result.ptr))};
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  for (const SizeUnit& unit : size_units) {
    if (unit.name != parts->unit) continue;
    const double bytes = parts->number * static_cast<double>(unit.bytes);
    if (bytes >= 9e18 || bytes != std::floor(bytes)) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

std::optional<Duration> parse_duration(std::string_view text) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  for (const TimeUnit& unit : time_units) {
    if (unit.name != parts->unit) continue;
    const double nanoseconds = std::round(parts->number * static_cast<double>(unit.nanoseconds));
    if (nanoseconds > longest_ns) return std::nullopt;
    return Duration(static_cast<Duration::rep>(nanoseconds));
  }
  return std::nullopt;
}

std::string size_text(std::uint64_t bytes) {
  for (const SizeUnit& unit : size_units) {
    if (bytes != 0 && unit.bytes >= KiB && unit.name.ends_with("iB") && bytes % unit.bytes == 0) {
      return std::to_string(bytes / unit.bytes) + std::string(unit.name);
    }
  }
  return std::to_string(bytes) + "B";
}

std::string duration_text(Duration duration) {
  if (duration == Duration::zero()) return "0s";
  for (const TimeUnit& unit : time_units) {
    if (duration.count() % unit.nanoseconds == 0) {
      return std::to_string(duration.count() / unit.nanoseconds) + std::string(unit.name);
    }
  }
  return std::to_string(duration.count()) + "ns";
}

}  // namespace canopy
