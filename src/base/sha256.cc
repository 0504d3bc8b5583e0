#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"
#include "base/hex.h"

namespace canopy {
namespace {

// Looked up once: a search among OpenSSL's providers costs more than hashing a small row.
const EVP_MD* algorithm() {
  static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CANOPY_CHECK(found != nullptr);
  return found;
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  CANOPY_CHECK(context_ != nullptr);
  CANOPY_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
}

Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
  CANOPY_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

Sha256Digest Sha256::finish() {
  Sha256Digest digest{};
  unsigned size = 0;
  CANOPY_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1 && size == digest.size());
  CANOPY_CHECK(EVP_DigestInit_ex2(context_.get(), algorithm(), nullptr) == 1);
  return digest;
}

std::string Sha256::finish_hex() {
  std::string text;
  text.reserve(sha256_hex_size);
  for (const std::uint8_t byte : finish()) append_hex(byte, text);
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish_hex();
}

bool is_sha256_hex(std::string_view text) { return text.size() == sha256_hex_size && is_hex(text); }

}  // namespace canopy
