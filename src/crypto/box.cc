#include "crypto/box.h"

#include <sodium.h>

#include "base/id.h"
#include "crypto/ready.h"

namespace canopy::crypto {
namespace {

constexpr std::size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

BoxKey make_box_key() {
  BoxKey key;
  fill_random(key.data(), key.size());
  return key;
}

std::string to_hex(const BoxKey& key) {
  std::string text(key.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), key.data(), key.size());
  text.pop_back();
  return text;
}

std::optional<BoxKey> parse_box_key(std::string_view hex) {
  BoxKey key{};
  std::size_t size = 0;
  if (hex.size() != key.size() * 2) return std::nullopt;
  const int status = sodium_hex2bin(key.data(), key.size(), hex.data(), hex.size(), nullptr, &size, nullptr);
  if (status != 0 || size != key.size()) return std::nullopt;
  return key;
}

std::string seal(const BoxKey& key, std::string_view place, std::string_view text) {
  make_ready();
  std::string sealed(nonce_size + text.size() + tag_size, '\0');
  unsigned char* const nonce = bytes_of(sealed);
  fill_random(nonce, nonce_size);  // 192 random bits: none comes twice.
  crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + nonce_size, nullptr, bytes_of(text), text.size(),
                                             bytes_of(place), place.size(), nullptr, nonce, key.data());
  return sealed;
}

std::optional<std::string> open(const BoxKey& key, std::string_view place, std::string_view sealed) {
  make_ready();
  if (sealed.size() < nonce_size + tag_size) return std::nullopt;
  std::string text(sealed.size() - nonce_size - tag_size, '\0');
  const unsigned char* const nonce = bytes_of(sealed);
  const int status = crypto_aead_xchacha20poly1305_ietf_decrypt(
      bytes_of(text), nullptr, nullptr, nonce + nonce_size, sealed.size() - nonce_size, bytes_of(place),
      place.size(), nonce, key.data());
  if (status != 0) return std::nullopt;
  return text;
}

}  // namespace canopy::crypto
