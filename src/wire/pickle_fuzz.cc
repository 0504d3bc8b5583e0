#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/base64.h"
#include "wire/pickle.h"

// Any bytes: as a text in base64, as a pickle, as what is written in both.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto checked = wire::check_pickle(bytes)) {
    CANOPY_CHECK(bytes.front() == wire::pickle_mark && bytes.back() == '.');
    CANOPY_CHECK(!wire::check_pickle(bytes.substr(0, size - 1)));
  } else {
    CANOPY_CHECK(checked.error().code == Code::invalid && !checked.error().message.empty());
  }
  const auto read = wire::read_base64(bytes);
  CANOPY_CHECK(!read || read->size() <= size);
  if (read) static_cast<void>(wire::check_pickle(*read));
  const auto back = wire::read_base64(wire::write_base64(bytes));
  CANOPY_CHECK(back && *back == bytes);
  const std::string_view text = bytes.substr(0, std::min<std::size_t>(size, 1000));
  CANOPY_CHECK(wire::check_pickle(wire::pickle_text(text)).has_value());
  CANOPY_CHECK(wire::check_pickle(wire::pickle_exception("ValueError", text)).has_value());
  return 0;
}
