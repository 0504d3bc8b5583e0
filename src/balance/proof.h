#pragma once
// How a gateway and a worker that joins show each other that they know the same token, without saying it:
//
//   gateway ─ a nonce ─▶ worker ─ a nonce, joining_proof() ─▶ gateway ─ welcome_proof() ─▶ worker
//
// Both then have a key for the worker's further connections, which ends with the first one. Nobody who reads
// along can show any of it a second time. What is said afterwards is protected by TLS, where that is spoken.
//
// Threads: any.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/sha256.h"
#include "wire/join_frames.h"

namespace canopy::balance {

inline constexpr std::size_t token_size_min = 16;
inline constexpr std::size_t token_size_max = 1024;

wire::Nonce make_nonce();
// A run of a program, of which that is the nonce, as a tree tells of it: never 0.
std::uint64_t instance_of(const wire::Nonce& nonce);
// 64 hexadecimal digits.
std::string make_token();
// What a file or variable holds, without what surrounds it.
//   invalid  too short to be one, or too long
Result<std::string> read_token(std::string_view text);

struct Nonces {
  wire::Nonce gateway{};
  wire::Nonce worker{};
};

Sha256Digest joining_proof(std::string_view token, const Nonces& nonces, std::string_view name);
Sha256Digest welcome_proof(std::string_view token, const Nonces& nonces);
Sha256Digest line_key(std::string_view token, const Nonces& nonces);
// For the connection to `core`, challenged with `nonce`.
Sha256Digest line_proof(const Sha256Digest& key, const wire::Nonce& nonce, std::uint32_t core);

}  // namespace canopy::balance
