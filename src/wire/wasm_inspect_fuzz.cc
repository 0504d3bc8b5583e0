#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/wasm_check.h"
#include "wire/wasm_inspect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto inside = [&](std::string_view part) {
    return part.empty() || (part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + size);
  };
  const auto module = wire::inspect_wasm(bytes);
  if (!module) {
    CANOPY_CHECK(module.error().code == Code::refused);
    CANOPY_CHECK(!module.error().message.empty() && module.error().message.size() < 1000);
    return 0;
  }
  for (const auto& import : module->imports) CANOPY_CHECK(inside(import.module) && inside(import.name));
  for (const auto& entry : module->exports) CANOPY_CHECK(inside(entry.name));
  CANOPY_CHECK(inside(module->language) && inside(module->name_section));
  const auto names = wire::read_function_names(*module);
  CANOPY_CHECK(names.size() <= size);
  (void)names.find(0);
  constexpr std::array<wire::OfferedImport, 1> offered = {{{"wasi_snapshot_preview1", "fd_write"}}};
  const auto fits = wire::check_deployable(*module, offered, Limits{});
  CANOPY_CHECK(fits || fits.error().code == Code::refused);
  CANOPY_CHECK(!fits || module->shape() != wire::WasmShape::none);
  return 0;
}
