#include "store/call_log_keys.h"

#include <cstring>

#include "base/sha256.h"
#include "store/crc32c.h"

namespace canopy::store {

std::string key_digest(const DurableCall& call) {
  std::string text;
  for (const std::string_view part : {std::string_view(call.owner), std::string_view(call.function.space),
                                      std::string_view(call.idempotency_key)}) {
    text.append(part).push_back('\0');
  }
  Sha256 digest;
  digest.update(text);
  const auto bytes = digest.finish();
  return {bytes.begin(), bytes.end()};
}

std::string request_digest(const DurableCall& call) {
  Sha256 digest;
  for (const std::string_view part :
       {std::string_view(call.function.space), std::string_view(call.function.name),
        std::string_view(call.method), std::string_view(call.path), std::string_view(call.query)}) {
    digest.update(part);
    digest.update(std::string_view("\0", 1));
  }
  digest.update(call.input);
  const auto bytes = digest.finish();
  return {bytes.begin(), bytes.end()};
}

std::string encode_key(const KeyRow& key) {
  std::string bytes;
  bytes.append(reinterpret_cast<const char*>(&key.number), sizeof key.number);
  bytes.append(reinterpret_cast<const char*>(&key.token), sizeof key.token);
  bytes += key.request;
  const std::uint32_t seal = crc32c(bytes);
  bytes.append(reinterpret_cast<const char*>(&seal), sizeof seal);
  return bytes;
}

std::optional<KeyRow> decode_key(std::string_view bytes) {
  if (bytes.size() < 20) return std::nullopt;
  const std::string_view content = bytes.substr(0, bytes.size() - 4);
  std::uint32_t seal = 0;
  std::memcpy(&seal, bytes.data() + content.size(), sizeof seal);
  if (seal != crc32c(content)) return std::nullopt;
  KeyRow key;
  std::memcpy(&key.number, content.data(), sizeof key.number);
  std::memcpy(&key.token, content.data() + 8, sizeof key.token);
  key.request = content.substr(16);
  return key;
}

Error key_conflict(const DurableCall& call) {
  return {Code::conflict, "this Idempotency-Key was used for another call of '" + call.function.space +
                              "', with another function or body; use a new key"};
}

}  // namespace canopy::store
