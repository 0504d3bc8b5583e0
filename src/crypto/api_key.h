#pragma once
// What a client shows to be let in: "cnp_" + 16 hexadecimal digits + "_" + 64 hexadecimal digits.
//
// The digits in front name the key and are no secret; those behind are 256 random bits. Only a SHA-256 of
// them is kept: nobody guesses 256 bits, so the slow hash that a password needs would protect nothing here.
//
// Threads: any.

#include <optional>
#include <string>
#include <string_view>

#include "base/sha256.h"

namespace canopy::crypto {

inline constexpr std::string_view api_key_prefix = "cnp_";
inline constexpr std::size_t api_key_id_size = 16;
inline constexpr std::size_t api_key_size = 85;

struct NewApiKey {
  std::string id;
  std::string text;  // The whole key: shown once, and kept by nobody.
  Sha256Digest digest{};
};
NewApiKey make_api_key();

// The parts of a key; they point into its text. Nothing for what is none.
struct ApiKeyParts {
  std::string_view id;
  std::string_view secret;
};
std::optional<ApiKeyParts> parse_api_key(std::string_view text);

bool is_api_key_id(std::string_view text);

Sha256Digest digest_of_secret(std::string_view secret);

}  // namespace canopy::crypto
