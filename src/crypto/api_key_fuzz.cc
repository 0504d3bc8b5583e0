#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "crypto/api_key.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy::crypto;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto parts = parse_api_key(text)) {
    CANOPY_CHECK(is_api_key_id(parts->id));
    CANOPY_CHECK(api_key_prefix.size() + parts->id.size() + 1 + parts->secret.size() == text.size());
  }
  return 0;
}
