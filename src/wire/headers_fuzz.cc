#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto timeout = wire::parse_timeout(text);
  CANOPY_CHECK(!timeout || (timeout->count() > 0 && *timeout <= std::chrono::hours(1)));
  const auto retry = wire::parse_retry(text);
  CANOPY_CHECK(!retry || *retry <= 100);
  const auto key = wire::parse_idempotency_key(text);
  CANOPY_CHECK(!key || (!key->empty() && key->size() <= 255));
  (void)wire::parse_traceparent(text);
  CANOPY_CHECK(wire::media_type(text).size() <= size);
  for (const std::string_view name : {"boundary", "name", "charset"}) {
    const auto value = wire::header_parameter(text, name);
    CANOPY_CHECK(!value || value->size() < size);
  }
  return 0;
}
