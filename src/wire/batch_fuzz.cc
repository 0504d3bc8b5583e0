#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/batch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const auto calls = wire::parse_batch({reinterpret_cast<const char*>(data), size});
  if (!calls) {
    CANOPY_CHECK(calls.error().code == Code::invalid || calls.error().code == Code::too_large);
    CANOPY_CHECK(!calls.error().message.empty());
    return 0;
  }
  CANOPY_CHECK(calls->size() <= wire::batch_calls_max);
  for (const DurableCall& call : *calls) {
    CANOPY_CHECK(call.headers.size() <= 1 && call.retries_max <= 100 && call.idempotency_key.size() <= 255);
    CANOPY_CHECK(call.input.size() <= size);  // It stands there.
    for (const Header& header : call.headers) CANOPY_CHECK(header.value.find('\n') == std::string::npos);
  }
  return 0;
}
