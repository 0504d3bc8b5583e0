#include "crypto/api_key.h"

#include <array>

#include "base/hex.h"
#include "base/id.h"

namespace canopy::crypto {
namespace {

constexpr std::size_t secret_size = 64;

std::string random_hex(std::size_t digit_count) {
  std::array<std::uint8_t, secret_size / 2> bytes{};
  fill_random(bytes.data(), digit_count / 2);
  std::string text;
  for (std::size_t i = 0; i < digit_count / 2; ++i) append_hex(bytes[i], text);
  return text;
}

}  // namespace

NewApiKey make_api_key() {
  NewApiKey key{.id = random_hex(api_key_id_size), .text = {}};
  const std::string secret = random_hex(secret_size);
  key.text = std::string(api_key_prefix) + key.id + "_" + secret;
  key.digest = digest_of_secret(secret);
  return key;
}

std::optional<ApiKeyParts> parse_api_key(std::string_view text) {
  if (text.size() != api_key_size || !text.starts_with(api_key_prefix)) return std::nullopt;
  text.remove_prefix(api_key_prefix.size());
  const ApiKeyParts parts{.id = text.substr(0, api_key_id_size), .secret = text.substr(api_key_id_size + 1)};
  if (text[api_key_id_size] != '_' || !is_hex(parts.id) || !is_hex(parts.secret)) return std::nullopt;
  return parts;
}

bool is_api_key_id(std::string_view text) { return text.size() == api_key_id_size && is_hex(text); }

Sha256Digest digest_of_secret(std::string_view secret) {
  Sha256 hash;
  hash.update(secret);
  return hash.finish();
}

}  // namespace canopy::crypto
