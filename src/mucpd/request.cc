#include "mucpd/request.h"

#include <array>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "base/words.h"
#include "wire/percent.h"

namespace canopy::mucpd {
namespace {

struct Row {
  std::string_view method;
  Door door;
};
// By what follows the first name: none, /time, /fn, /fn/:function, /fn/:function/run.
constexpr std::array<Row, 2> user_rows = {{{"POST", Door::add_user}, {"DELETE", Door::remove_user}}};
constexpr std::array<Row, 1> time_rows = {{{"GET", Door::user_time}}};
constexpr std::array<Row, 1> functions_rows = {{{"GET", Door::functions}}};
constexpr std::array<Row, 3> function_rows = {
    {{"GET", Door::function}, {"POST", Door::add_function}, {"DELETE", Door::remove_function}}};
constexpr std::array<Row, 1> run_rows = {{{"POST", Door::run}}};
constexpr std::array<Row, 2> job_rows = {{{"GET", Door::job_status}, {"DELETE", Door::remove_job}}};
constexpr std::array<Row, 1> result_rows = {{{"GET", Door::job_result}}};
constexpr std::array<Row, 1> typed_rows = {{{"GET", Door::job_typed}}};

template <std::size_t count>
Door choose(const std::array<Row, count>& rows, std::string_view method) {
  if (method == "HEAD") method = "GET";
  for (const Row& row : rows) {
    if (row.method == method) return row.door;
  }
  return Door::nowhere;
}

bool is(std::string_view segment, std::string_view word) { return same_word(segment, word); }

// What lies between the slashes; nothing where that is empty somewhere, but for the end.
std::optional<std::vector<std::string_view>> split(std::string_view path) {
  constexpr std::size_t segments_max = 5;
  std::vector<std::string_view> segments;
  if (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    path.remove_prefix(1);  // A '/'.
    const std::string_view segment = path.substr(0, path.find('/'));
    if (segment.empty() || segments.size() == segments_max) return std::nullopt;
    segments.push_back(segment);
    path.remove_prefix(segment.size());
  }
  return segments;
}

// False where that is no text.
bool decode(std::string_view segment, std::string& name) {
  auto decoded = wire::percent_decode(segment);
  if (!decoded || find_invalid_utf8(*decoded) != std::string_view::npos) return false;
  name = *std::move(decoded);
  return true;
}

Door user_door(const std::vector<std::string_view>& parts, std::string_view method) {
  switch (parts.size()) {
    case 2:
      return choose(user_rows, method);
    case 3:
      if (is(parts[2], "time")) return choose(time_rows, method);
      return is(parts[2], "fn") ? choose(functions_rows, method) : Door::nowhere;
    case 4:
      return is(parts[2], "fn") ? choose(function_rows, method) : Door::nowhere;
    case 5:
      return is(parts[2], "fn") && is(parts[4], "run") ? choose(run_rows, method) : Door::nowhere;
    default:
      return Door::nowhere;
  }
}

Door job_door(const std::vector<std::string_view>& parts, std::string_view method) {
  if (parts.size() == 2) return choose(job_rows, method);
  if (parts.size() != 3) return Door::nowhere;
  if (is(parts[2], "res")) return choose(result_rows, method);
  return is(parts[2], "typed") ? choose(typed_rows, method) : Door::nowhere;
}

}  // namespace

bool is_ours(std::string_view path) {
  if (path.size() < 2 || path[0] != '/') return false;
  const char letter = path[1];
  if (letter != 'u' && letter != 'j' && letter != 'U' && letter != 'J') return false;
  return path.size() == 2 || path[2] == '/';
}

Asked read_request(std::string_view method, std::string_view path) {
  Asked asked;
  const auto parts = is_ours(path) ? split(path) : std::nullopt;
  if (!parts || parts->size() < 2) return asked;
  const bool is_user = is(parts->front(), "u");
  asked.door = is_user ? user_door(*parts, method) : job_door(*parts, method);
  if (asked.door == Door::nowhere) return asked;
  const bool names_function = is_user && parts->size() > 3;
  if (!decode((*parts)[1], is_user ? asked.user : asked.job) ||
      (names_function && !decode((*parts)[3], asked.function))) {
    return {.door = Door::no_text};
  }
  return asked;
}

}  // namespace canopy::mucpd
