#include "crypto/keyed_hash.h"

#include <sodium.h>

#include "base/id.h"
#include "crypto/ready.h"

namespace canopy::crypto {

KeyedHash::KeyedHash() : key_() {
  make_ready();
  fill_random(key_.data(), key_.size());
}

KeyedDigest KeyedHash::operator()(std::string_view bytes) const {
  KeyedDigest digest;
  static_assert(sizeof(digest) == crypto_shorthash_siphashx24_BYTES);
  static_assert(sizeof(key_) == crypto_shorthash_siphashx24_KEYBYTES);
  crypto_shorthash_siphashx24(digest.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size(), key_.data());
  return digest;
}

bool same_bytes(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace canopy::crypto
