#pragma once
// Seals what must not be read from the disk: XChaCha20-Poly1305 under one key. What was sealed for one place
// does not open at another, and a flipped bit does not open at all.
//
// Threads: any.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace canopy::crypto {

using BoxKey = std::array<std::uint8_t, 32>;

BoxKey make_box_key();
std::string to_hex(const BoxKey& key);
std::optional<BoxKey> parse_box_key(std::string_view hex);

// `place` is not hidden and not stored: who opens says it again.
std::string seal(const BoxKey& key, std::string_view place, std::string_view text);

// Nothing where the key or the place is another, or a bit was changed.
std::optional<std::string> open(const BoxKey& key, std::string_view place, std::string_view sealed);

}  // namespace canopy::crypto
