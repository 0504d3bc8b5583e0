#pragma once
// The seal of a row: a SHA-256 over its content. SQLite notices a damaged structure, but not a flipped bit
// inside a value; the seal does.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/sha256.h"

namespace canopy::store {

class Sealer {
 public:
  Sealer& add(std::string_view text) {
    add(text.size());  // So that no two lists of texts run into the same bytes.
    bytes_ += text;
    return *this;
  }
  Sealer& add(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) bytes_ += static_cast<char>(value >> shift & 0xff);
    return *this;
  }
  std::string finish() const {
    Sha256 hash;
    hash.update(bytes_);
    const Sha256Digest digest = hash.finish();
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
  }

 private:
  std::string bytes_;
};

}  // namespace canopy::store
