#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "wire/json_read.h"
#include "wire/python_json.h"

// What one reader takes the other takes too, but for what only Python calls JSON; and what is written again
// reads as the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto body = wire::read_python_json(text);
  if (!body) {
    CANOPY_CHECK(body.error().position <= size);
    if (body.error().message.empty()) return 0;  // Too deep, or too many digits, for Python.
    CANOPY_CHECK(!wire::json_kind(text, {.bytes_max = size, .depth_max = wire::python_json_depth_max}));
    return 0;
  }
  const std::string written = body->text();
  CANOPY_CHECK(find_invalid_utf8(written) == std::string_view::npos);
  const auto again = wire::read_python_json(written);
  CANOPY_CHECK(again && again->is_object == body->is_object && again->text() == written);
  for (const auto& [key, value] : body->members) {
    CANOPY_CHECK(body->find(key) != nullptr);
    const auto string = wire::python_string(value);
    CANOPY_CHECK(!string || find_invalid_utf8(*string) == std::string_view::npos);
  }
  return 0;
}
