#include "crypto/password.h"

#include <array>
#include <cstring>

#include <sodium.h>

#include "crypto/ready.h"

namespace canopy::crypto {
namespace {

// What OWASP asks at least of argon2id, and more: 64 MiB, two passes.
constexpr unsigned long long passes = crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE;
constexpr std::size_t memory_bytes = crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE;

using Hash = std::array<char, crypto_pwhash_STRBYTES>;

bool make(std::string_view password, Hash& hash) {
  make_ready();
  return crypto_pwhash_str(hash.data(), password.data(), password.size(), passes, memory_bytes) == 0;
}

bool matches(const char* hash, std::string_view password) {
  make_ready();
  return crypto_pwhash_str_verify(hash, password.data(), password.size()) == 0;
}

}  // namespace

Result<std::string> hash_password(std::string_view password) {
  if (password.size() < password_size_min || password.size() > password_size_max) {
    return fail(Code::invalid, "a password has " + std::to_string(password_size_min) + " to " +
                                   std::to_string(password_size_max) + " bytes; this one has " +
                                   std::to_string(password.size()));
  }
  Hash hash{};
  if (!make(password, hash)) {
    return fail(Code::unavailable, "there is no memory to hash a password; try again shortly");
  }
  return std::string(hash.data());
}

bool check_password(std::string_view password, const std::string& hash) {
  if (password.size() > password_size_max) return false;
  if (!hash.empty()) return matches(hash.c_str(), password);
  Hash wasted{};
  const bool made = make(password, wasted);
  return made && wasted.front() == '\0';
}

}  // namespace canopy::crypto
