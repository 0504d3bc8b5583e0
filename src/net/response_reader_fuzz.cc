// Any bytes, in any pieces, through the reader of responses, as the client feeds it: it neither crashes nor
// waits for what is there, and what it makes of them does not depend on the pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/header_text.h"
#include "net/input_buffer.h"
#include "net/response_reader.h"

namespace canopy::net {
namespace {

constexpr std::uint64_t body_bytes_max = 300;
constexpr std::size_t read_bytes_max = 4096;

std::string describe(const HttpClientResponse& response) {
  CANOPY_CHECK(response.status >= 0 && response.status <= 999);
  CANOPY_CHECK(response.body.size() <= body_bytes_max);
  std::string out = std::to_string(response.status) + "\n";
  for (const auto& [name, value] : response.headers) {
    CANOPY_CHECK(is_token(name) && is_field_value(value));
    out.append(name).append(": ").append(value).append("\n");
  }
  return out.append(response.body);
}

// One exchange over a connection that ends after `bytes`, which come `piece` at a time; "" for an error.
std::string read_all(std::string_view bytes, std::size_t piece, bool answers_head) {
  InputBuffer input;
  auto reader = std::make_unique<ResponseReader>(answers_head, body_bytes_max, ResponseReader::OnData());
  while (true) {
    while (true) {
      const auto taken = reader->put(input.unread());
      if (!taken) return "";
      input.consume(*taken);
      if (!reader->is_interim()) break;
      reader = std::make_unique<ResponseReader>(answers_head, body_bytes_max, ResponseReader::OnData());
    }
    if (reader->is_complete()) return describe(reader->response());
    if (bytes.empty()) return reader->put_end() ? describe(reader->response()) : "";
    const auto room = input.room(64, read_bytes_max);
    if (room.empty()) return "";
    const auto size = std::min({room.size(), bytes.size(), piece});
    std::copy_n(bytes.data(), size, room.data());
    input.commit(size);
    bytes.remove_prefix(size);
  }
}

}  // namespace
}  // namespace canopy::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy::net;
  const std::string_view bytes(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 4000));
  for (const bool answers_head : {false, true}) {
    const auto whole = read_all(bytes, size + 1, answers_head);
    for (const std::size_t piece : {1U, 7U, 64U}) {
      CANOPY_CHECK(read_all(bytes, piece, answers_head) == whole);
    }
  }
  return 0;
}
