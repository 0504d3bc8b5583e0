#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/wasm_inspect.h"
#include "wire/wasm_split.h"

// As a module that is split, and as the start of a memory that becomes an image.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  constexpr std::size_t page = 65'536;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto split = wire::split_memory(bytes);
  if (!split) CANOPY_CHECK(split.error().code == Code::refused && !split.error().message.empty());
  if (const auto module = wire::inspect_wasm(bytes); module && split) {
    const auto code = wire::inspect_wasm(split->code);
    CANOPY_CHECK(code && code->imports.size() == module->imports.size() + 1);
    CANOPY_CHECK(code->memories.size() == 1 && code->memories.front().imported);
    CANOPY_CHECK(code->imports.front().module == wire::split_memory_module);
    const auto image = wire::inspect_wasm(split->image);
    CANOPY_CHECK(image && image->memories.size() == 1 && !image->memories.front().imported);
    CANOPY_CHECK(image->memories.front().pages == module->memories.front().pages);
  }

  std::string memory(bytes);
  memory.resize((size / page + 1) * page);
  const auto image = wire::write_image(std::as_bytes(std::span(memory)));
  const auto read = wire::inspect_wasm(image);
  CANOPY_CHECK(read && read->memories.size() == 1);
  CANOPY_CHECK(read->memories.front().size_bytes() == memory.size());
  return 0;
}
