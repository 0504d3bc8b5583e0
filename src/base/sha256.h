#pragma once
// SHA-256, by which code is named.
//
// Threads: each object one at a time; the functions from any thread.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace canopy {

inline constexpr std::size_t sha256_hex_size = 64;

using Sha256Digest = std::array<std::uint8_t, 32>;

// A digest of what comes in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  Sha256Digest finish();     // Of all pieces so far; then it begins anew.
  std::string finish_hex();  // The same as 64 lower-case digits.

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256_hex(std::string_view bytes);

// Whether `text` has the form of a digest: 64 lower-case hexadecimal digits.
bool is_sha256_hex(std::string_view text);

}  // namespace canopy
