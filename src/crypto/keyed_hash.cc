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
  crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size(), key_.data(), key_.size());
  return digest;
}

bool same_bytes(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace canopy::crypto
