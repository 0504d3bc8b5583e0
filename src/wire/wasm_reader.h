#pragma once
// Walks the bytes of a WebAssembly section: LEB128 numbers, names, limits. Strict, and never past the end.
// The first thing that is wrong stays: later reads return zeros, so a parser may check once per item.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy::wire {

class WasmReader {
 public:
  // `offset` is where `bytes` begins in the file, for messages; `what` names the part that is read.
  WasmReader(std::string_view bytes, std::size_t offset, std::string_view what)
      : bytes_(bytes), offset_(offset), what_(what) {}

  bool good() const { return message_.empty(); }
  bool at_end() const { return at_ == bytes_.size(); }
  std::size_t offset() const { return offset_ + at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  std::uint8_t byte();
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(32)); }
  std::uint64_t u64() { return number(64); }
  std::int64_t signed_number(unsigned bits);
  std::string_view take(std::uint64_t size);  // So many bytes.
  std::string_view text();                    // A length and so many bytes of UTF-8.
  // A value type, or a reference type that spells out its heap type.
  void skip_value_type();
  // A count of items of which each takes at least `item_bytes_min`.
  std::uint32_t count(std::size_t item_bytes_min, std::uint32_t count_max);

  // Makes the reader bad, unless it is already: "the import section, at byte 12: <problem>".
  void refuse(std::string_view problem);
  tl::unexpected<Error> error() const;

 private:
  std::uint64_t number(unsigned bits);

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t offset_;
  std::string_view what_;
  std::string message_;
};

}  // namespace canopy::wire
