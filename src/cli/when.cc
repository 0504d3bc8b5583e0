#include "cli/when.h"

#include <array>
#include <charconv>

#include "cli/json_fields.h"

namespace canopy::cli {
namespace {

std::optional<int> number(std::string_view text, std::size_t at, std::size_t size) {
  int value = 0;
  const char* const begin = text.data() + at;
  const auto read = std::from_chars(begin, begin + size, value);
  if (read.ec != std::errc{} || read.ptr != begin + size) return std::nullopt;
  return value;
}

}  // namespace

std::optional<WallTime> parse_time(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() < form.size() + 1 || text.back() != 'Z') return std::nullopt;
  const auto year = number(text, 0, 4);
  const auto month = number(text, 5, 2);
  const auto day = number(text, 8, 2);
  const auto hour = number(text, 11, 2);
  const auto minute = number(text, 14, 2);
  const auto second = number(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second || text[10] != 'T') return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  std::chrono::milliseconds fraction(0);
  if (text.size() == form.size() + 5 && text[19] == '.') {
    const auto thousandths = number(text, 20, 3);
    if (!thousandths) return std::nullopt;
    fraction = std::chrono::milliseconds(*thousandths);
  }
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + fraction;
}

std::string ago(std::string_view time, const Clock& clock) {
  const auto then = parse_time(time);
  if (!then) return "";
  const double seconds = std::chrono::duration<double>(clock.wall_now() - *then).count();
  return seconds < 1 ? "just now" : short_seconds(static_cast<double>(static_cast<long>(seconds))) + " ago";
}

}  // namespace canopy::cli
