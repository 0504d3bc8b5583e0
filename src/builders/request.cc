#include "builders/request.h"

#include <algorithm>
#include <array>

#include "wire/percent.h"

namespace canopy::builders {
namespace {

struct Row {
  std::string_view word;
  std::string_view method;
  Door door;
  bool has_task;
};
constexpr std::array rows = {Row{"/register_function", "POST", Door::register_function, false},
                             Row{"/execute_function", "POST", Door::execute_function, false},
                             Row{"/status", "GET", Door::status, true},
                             Row{"/result", "GET", Door::result, true}};

// What follows the word: "" or "/...".
std::string_view after(const Row& row, std::string_view path) { return path.substr(row.word.size()); }

const Row* find_row(std::string_view path) {
  const auto found = std::ranges::find_if(rows, [path](const Row& row) {
    return path.starts_with(row.word) && (after(row, path).empty() || after(row, path).front() == '/');
  });
  return found == rows.end() ? nullptr : &*found;
}

// Nothing where the path is none of the row's.
bool read_task(const Row& row, std::string_view path, std::string& task) {
  std::string_view rest = after(row, path);
  if (!row.has_task) return rest.empty();
  if (rest.size() < 2) return false;
  rest.remove_prefix(1);
  // What is no percent-encoding stands for itself.
  task = wire::percent_decode(rest).value_or(std::string(rest));
  return task.find('/') == std::string::npos;
}

}  // namespace

bool is_ours(std::string_view path) { return find_row(path) != nullptr; }

Asked read_request(std::string_view method, std::string_view path) {
  Asked asked;
  const Row* const row = find_row(path);
  if (row == nullptr) return asked;
  if (read_task(*row, path, asked.task)) {
    asked.door = method == row->method ? row->door : Door::other_method;
    asked.allowed = row->method;
    return asked;
  }
  const std::size_t end = path.find_last_not_of('/');
  asked.path = path.substr(0, end + 1);
  if (asked.path.size() < path.size() && asked.path.size() >= row->word.size() &&
      read_task(*row, asked.path, asked.task)) {
    asked.door = Door::slash_behind;
  }
  return asked;
}

}  // namespace canopy::builders
