#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/wasm_bulk.h"
#include "wire/wasm_inspect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto parted = wire::part_bulk_operations(bytes);
  if (!parted) {
    CANOPY_CHECK(parted.error().code == Code::refused && !parted.error().message.empty());
    return 0;
  }
  if (!*parted) return 0;
  // What was readable still is, and has grown by functions alone.
  const auto before = wire::inspect_wasm(bytes);
  const auto after = wire::inspect_wasm(**parted);
  if (!before) return 0;
  CANOPY_CHECK(after && after->function_count > before->function_count);
  CANOPY_CHECK(after->exports.size() == before->exports.size());
  CANOPY_CHECK(wire::part_bulk_operations(**parted).has_value());
  return 0;
}
