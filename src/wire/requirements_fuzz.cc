// Any bytes: what the installer is given of them is printable ASCII, and read again says the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "wire/requirements.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const auto plain = wire::plain_requirements({reinterpret_cast<const char*>(data), size});
  if (!plain) {
    CANOPY_CHECK(plain.error().code == Code::refused && !plain.error().message.empty());
    return 0;
  }
  CANOPY_CHECK(plain->size() <= size + 1);
  CANOPY_CHECK(std::ranges::all_of(*plain, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
  CANOPY_CHECK(plain->find('@') == plain->npos && plain->find('/') == plain->npos &&
               plain->find('$') == plain->npos);
  const auto again = wire::plain_requirements(*plain);
  CANOPY_CHECK(again && *again == *plain);
  return 0;
}
