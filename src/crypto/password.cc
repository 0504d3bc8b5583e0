#include "crypto/password.h"

#include <array>
#include <cstring>

#include <sodium.h>

#include "base/utf8.h"
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
  if (find_invalid_utf8(password) != std::string_view::npos) {
    return fail(Code::invalid, "the password is no UTF-8; send it as UTF-8");
  }
  const std::size_t count = count_characters(password);
  if (count < password_characters_min || count > password_characters_max) {
    return fail(Code::invalid, "a password has " + std::to_string(password_characters_min) + " to " +
                                   std::to_string(password_characters_max) + " characters; this one has " +
                                   std::to_string(count));
  }
  Hash hash{};
  if (!make(password, hash)) {
    return fail(Code::unavailable, "there is no memory to hash a password; try again shortly");
  }
  return std::string(hash.data());
}

bool check_password(std::string_view password, const std::string& hash) {
  if (password.size() > password_bytes_max) return false;
  if (!hash.empty()) return matches(hash.c_str(), password);
  Hash wasted{};
  const bool made = make(password, wasted);
  return made && wasted.front() == '\0';
}

}  // namespace canopy::crypto
