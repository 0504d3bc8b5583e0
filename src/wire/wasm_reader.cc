#include "wire/wasm_reader.h"

#include "base/utf8.h"

namespace canopy::wire {

void WasmReader::refuse(std::string_view problem) {
  if (!good()) return;
  message_ = "the WebAssembly module is malformed: " + std::string(what_) + ", at byte " +
             std::to_string(offset()) + ": " + std::string(problem);
}

tl::unexpected<Error> WasmReader::error() const { return fail(Code::refused, message_); }

std::uint8_t WasmReader::byte() {
  if (!good()) return 0;
  if (at_end()) {
    refuse("it ends too early");
    return 0;
  }
  return static_cast<std::uint8_t>(bytes_[at_++]);
}

std::uint64_t WasmReader::number(unsigned bits) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < bits; shift += 7) {
    const std::uint64_t group = byte();
    if (!good()) return 0;
    const unsigned room = bits - shift;
    if (room < 7 && ((group & 0x7FU) >> room) != 0) {
      refuse("a number that does not fit in " + std::to_string(bits) + " bits");
      return 0;
    }
    value |= (group & 0x7FU) << shift;
    if ((group & 0x80U) == 0) return value;
  }
  refuse("a number that takes more bytes than it may");
  return 0;
}

std::int64_t WasmReader::signed_number(unsigned bits) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < bits; shift += 7) {
    const std::uint64_t group = byte();
    if (!good()) return 0;
    value |= (group & 0x7FU) << shift;
    if ((group & 0x80U) != 0) continue;
    const unsigned used = shift + 7;
    if (used < 64 && (group & 0x40U) != 0) value |= ~std::uint64_t{0} << used;
    return static_cast<std::int64_t>(value);
  }
  refuse("a number that takes more bytes than it may");
  return 0;
}

std::string_view WasmReader::take(std::uint64_t size) {
  if (!good()) return {};
  if (size > left()) {
    refuse(std::to_string(size) + " bytes are announced and " + std::to_string(left()) + " are there");
    return {};
  }
  const std::string_view result = bytes_.substr(at_, static_cast<std::size_t>(size));
  at_ += result.size();
  return result;
}

std::string_view WasmReader::text() {
  const std::string_view result = take(u32());
  if (find_invalid_utf8(result) == std::string_view::npos) return result;
  refuse("a name that is not UTF-8");
  return {};
}

void WasmReader::skip_value_type() {
  const std::uint8_t type = byte();
  if (!good()) return;
  if (type == 0x63 || type == 0x64) {  // (ref null? heaptype); a heap type is a signed 33-bit number.
    for (int i = 0; i < 5; ++i) {
      if ((byte() & 0x80U) == 0) return;
    }
    refuse("a heap type that takes more bytes than it may");
  } else if (type < 0x60 || type > 0x7F) {
    refuse("a type that is none");
  }
}

std::uint32_t WasmReader::count(std::size_t item_bytes_min, std::uint32_t count_max) {
  const std::uint32_t result = u32();
  if (!good()) return 0;
  if (result > count_max) {
    refuse(std::to_string(result) + " entries; at most " + std::to_string(count_max) + " are allowed");
    return 0;
  }
  if (result > left() / item_bytes_min) {
    refuse(std::to_string(result) + " entries are announced and there is no room for them");
    return 0;
  }
  return result;
}

}  // namespace canopy::wire
