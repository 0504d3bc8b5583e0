#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

// As a body that is read, and as a text that is written and read back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = wire::parse_json(text, {.bytes_max = 100'000, .depth_max = 16});
  if (!value) {
    CANOPY_CHECK(value.error().code == Code::invalid || value.error().code == Code::too_large);
    CANOPY_CHECK(!value.error().message.empty());
  }
  wire::JsonWriter json;
  json.begin_object();
  json.member(text, text);
  json.end_object();
  const auto back = wire::parse_json(json.text(), {.bytes_max = json.text().size(), .depth_max = 1});
  CANOPY_CHECK(back.has_value());
  const std::string repaired = repaired_utf8(text);
  CANOPY_CHECK(find_invalid_utf8(repaired) == std::string_view::npos);
  const auto& member = *back->as_object().begin();
  CANOPY_CHECK(std::string_view(member.key()) == repaired);
  CANOPY_CHECK(std::string_view(member.value().as_string()) == repaired);
  return 0;
}
