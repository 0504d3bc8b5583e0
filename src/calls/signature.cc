#include "calls/signature.h"

#include "base/hex.h"
#include "base/hmac.h"

namespace canopy::calls {

std::string hmac_sha256_hex(std::string_view secret, std::string_view message) {
  std::string text;
  for (const unsigned char byte : hmac_sha256(secret, message)) append_hex(byte, text);
  return text;
}

std::string sign(std::string_view secret, WallTime now, std::string_view body) {
  const std::string seconds =
      std::to_string(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count());
  return "t=" + seconds + ",v1=" + hmac_sha256_hex(secret, seconds + "." + std::string(body));
}

}  // namespace canopy::calls
