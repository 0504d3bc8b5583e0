#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/multipart.h"

// The first line is the Content-Type, the rest the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view body = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  const wire::MultipartLimits limits{.parts_max = 20, .head_bytes_max = 200};
  const auto parts = wire::parse_multipart(text.substr(0, line), body, limits);
  if (!parts) {
    CANOPY_CHECK(parts.error().code == Code::invalid || parts.error().code == Code::too_large);
    return 0;
  }
  CANOPY_CHECK(parts->size() <= limits.parts_max);
  std::size_t total = 0;
  for (const wire::Part& part : *parts) {
    CANOPY_CHECK(!part.name.empty());
    CANOPY_CHECK(part.body.empty() || (part.body.data() > body.data() &&
                                       part.body.data() + part.body.size() < body.data() + body.size()));
    total += part.body.size();
    (void)wire::find_part(*parts, part.name);
  }
  CANOPY_CHECK(total <= body.size());
  return 0;
}
