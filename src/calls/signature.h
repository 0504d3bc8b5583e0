#pragma once
// How a callback proves who sent it: HMAC-SHA256 over "<unix seconds>.<body>", in a header as
// "t=<unix seconds>,v1=<64 hex digits>".

#include <string>
#include <string_view>

#include "base/clock.h"

namespace canopy::calls {

inline constexpr std::string_view signature_header = "X-Canopy-Signature";

std::string hmac_sha256_hex(std::string_view secret, std::string_view message);
std::string sign(std::string_view secret, WallTime now, std::string_view body);

}  // namespace canopy::calls
