#include "base/hmac.h"

#include <cstddef>
#include <string>

namespace canopy {
namespace {

constexpr std::size_t block_size = 64;

std::string digest_bytes(std::string_view first, std::string_view second) {
  Sha256 digest;
  digest.update(first);
  digest.update(second);
  const Sha256Digest bytes = digest.finish();
  return {bytes.begin(), bytes.end()};
}

std::string padded(std::string_view secret, char with) {
  std::string block(secret);
  if (block.size() > block_size) block = digest_bytes(secret, "");
  block.resize(block_size, '\0');
  for (char& byte : block) byte = static_cast<char>(byte ^ with);
  return block;
}

}  // namespace

Sha256Digest hmac_sha256(std::string_view secret, std::string_view message) {
  Sha256 digest;
  digest.update(padded(secret, 0x5c));
  digest.update(digest_bytes(padded(secret, 0x36), message));
  return digest.finish();
}

}  // namespace canopy
