#pragma once
// A hash that nobody outside this process can compute: for tables that strangers choose the keys of. It is
// SipHash-2-4 with 128 bits under a random key: who does not have the key finds no two texts of one hash. And
// a comparison that takes as long for what is nearly right as for what is wholly wrong.
//
// Threads: any.

#include <array>
#include <cstdint>
#include <string_view>

namespace canopy::crypto {

using KeyedDigest = std::array<std::uint8_t, 16>;

class KeyedHash {
 public:
  KeyedHash();  // With a fresh random key.

  KeyedDigest operator()(std::string_view bytes) const;

 private:
  KeyedDigest key_;
};

// Of the same size and the same bytes. Only the size shows in the time it takes.
bool same_bytes(std::string_view a, std::string_view b);

template <class Bytes>
bool same_digest(const Bytes& a, const Bytes& b) {
  const auto view = [](const Bytes& bytes) {
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  return same_bytes(view(a), view(b));
}

}  // namespace canopy::crypto
