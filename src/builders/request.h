#pragma once
// Which request of FaaS Builders that is: as FastAPI matched it, whose routes they were.
//
//   POST /register_function    POST /execute_function    GET /status/{task_id}    GET /result/{task_id}

#include <cstdint>
#include <string>
#include <string_view>

namespace canopy::builders {

enum class Door : std::uint8_t {
  register_function,
  execute_function,
  status,  // task, as the next.
  result,
  other_method,  // There is such a path, for another method: `allowed`.
  slash_behind,  // There is such a path, but for the '/' at its end: `path`.
  nowhere,
};

struct Asked {
  Door door = Door::nowhere;
  std::string task = {};  // What stands in the path, decoded.
  std::string_view allowed = {};
  std::string_view path = {};
};

// Whether a path is theirs to answer.
bool is_ours(std::string_view path);

Asked read_request(std::string_view method, std::string_view path);

}  // namespace canopy::builders
