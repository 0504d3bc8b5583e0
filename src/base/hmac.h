#pragma once
// HMAC-SHA256 (RFC 2104): how who has a secret shows it without saying it.
//
// Threads: any.

#include <string_view>

#include "base/sha256.h"

namespace canopy {

Sha256Digest hmac_sha256(std::string_view secret, std::string_view message);

}  // namespace canopy
