#include "balance/proof.h"

#include <algorithm>

#include "base/hex.h"
#include "base/hmac.h"
#include "base/id.h"

namespace canopy::balance {
namespace {

std::string text_of(const Sha256Digest& bytes) { return {bytes.begin(), bytes.end()}; }

// What each is for stands in front, so that none is ever another.
Sha256Digest prove(std::string_view secret, std::string_view what, const Nonces& nonces,
                   std::string_view rest) {
  return hmac_sha256(secret, std::string(what) + '\n' + text_of(nonces.gateway) + text_of(nonces.worker) +
                                 std::string(rest));
}

}  // namespace

wire::Nonce make_nonce() {
  wire::Nonce nonce{};
  fill_random(nonce.data(), nonce.size());
  return nonce;
}

std::uint64_t instance_of(const wire::Nonce& nonce) {
  std::uint64_t instance = 0;
  for (std::size_t i = 0; i < sizeof instance; ++i) instance = (instance << 8U) | nonce.at(i);
  return std::max<std::uint64_t>(instance, 1);
}

std::string make_token() {
  std::string text;
  for (const unsigned char byte : make_nonce()) append_hex(byte, text);
  return text;
}

Result<std::string> read_token(std::string_view text) {
  constexpr std::string_view around = " \t\r\n";
  const std::size_t first = text.find_first_not_of(around);
  if (first != std::string_view::npos) text = text.substr(first, text.find_last_not_of(around) - first + 1);
  if (first == std::string_view::npos || text.size() < token_size_min || text.size() > token_size_max) {
    return fail(Code::invalid, "a join token has " + std::to_string(token_size_min) + " to " +
                                   std::to_string(token_size_max) +
                                   " characters; the server makes a good one in its data folder, node.token");
  }
  return std::string(text);
}

Sha256Digest joining_proof(std::string_view token, const Nonces& nonces, std::string_view name) {
  return prove(token, "canopy join", nonces, name);
}

Sha256Digest welcome_proof(std::string_view token, const Nonces& nonces) {
  return prove(token, "canopy welcome", nonces, {});
}

Sha256Digest line_key(std::string_view token, const Nonces& nonces) {
  return prove(token, "canopy lines", nonces, {});
}

Sha256Digest line_proof(const Sha256Digest& key, const wire::Nonce& nonce, std::uint32_t core) {
  return prove(text_of(key), "canopy line", {.gateway = nonce, .worker = {}}, std::to_string(core));
}

}  // namespace canopy::balance
