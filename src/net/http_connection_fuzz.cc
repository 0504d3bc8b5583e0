// Any bytes, in any pieces, through the reader of requests: it neither crashes nor loses its place, and what
// it makes of them does not depend on the pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "net/header_text.h"
#include "net/input_buffer.h"
#include "net/request_reader.h"

namespace canopy::net {
namespace {

constexpr std::size_t head_bytes_max = 512;
constexpr std::uint64_t body_bytes_max = 300;

void describe(const HttpRequest& request, std::string& out) {
  CANOPY_CHECK(is_token(request.method));
  CANOPY_CHECK(!request.path.empty());
  CANOPY_CHECK(request.body.size() <= body_bytes_max);
  out.append(request.method).append(" ").append(request.target).append(" ").append(request.path).append("?");
  out.append(request.query).append("\n");
  for (const auto& [name, value] : request.headers) {
    CANOPY_CHECK(is_token(name) && is_field_value(value));
    out.append(name).append(": ").append(value).append("\n");
  }
  out.append(request.body).append("\n");
}

// What a connection does with `bytes` that come `piece` at a time, but for the sockets: the requests it would
// have answered. Garbage without an end is refused or waited for, as its bytes come, but never answered.
std::string read_all(std::string_view bytes, std::size_t piece) {
  std::string seen;
  InputBuffer input;
  while (true) {
    HttpRequest request;
    RequestReader reader(request, head_bytes_max);
    std::unique_ptr<char[]> head;
    while (reader.state() != RequestReader::State::done && reader.state() != RequestReader::State::refused) {
      const auto before = reader.state();
      const auto taken = reader.put(input.unread());
      input.consume(taken);
      if (before == RequestReader::State::head && reader.state() == RequestReader::State::body) {
        reader.limit_body(body_bytes_max);
        if (reader.state() == RequestReader::State::body) head = input.split();
        continue;
      }
      if (taken != 0 || reader.state() != before) continue;
      if (bytes.empty()) return seen;
      const bool is_body = reader.state() == RequestReader::State::body;
      const auto room = input.room(64, is_body ? 2 * head_bytes_max : head_bytes_max);
      CANOPY_CHECK(!room.empty());
      const auto size = std::min({room.size(), bytes.size(), piece});
      std::copy_n(bytes.data(), size, room.data());
      input.commit(size);
      bytes.remove_prefix(size);
    }
    if (reader.state() == RequestReader::State::refused) {
      CANOPY_CHECK(reader.refusal().status >= 400 && reader.refusal().status < 600);
      CANOPY_CHECK(!reader.refusal().error.message.empty());
      return seen;
    }
    describe(request, seen);
    if (!reader.keep_alive()) return seen;
  }
}

}  // namespace
}  // namespace canopy::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace canopy::net;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = read_all(bytes, size + 1);
  for (const std::size_t piece : {1U, 7U, 64U}) CANOPY_CHECK(read_all(bytes, piece) == whole);
  return 0;
}
