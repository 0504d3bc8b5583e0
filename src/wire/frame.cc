#include "wire/frame.h"

#include "base/check.h"

namespace canopy::wire {
namespace {

constexpr std::size_t size_bytes = 4;
constexpr std::size_t counted_head_bytes = frame_head_bytes - size_bytes;

template <class Number>
void put(Number number, std::string& out) {
  for (std::size_t i = 0; i < sizeof number; ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
  }
}

template <class Number>
Number get(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return static_cast<Number>(number);
}

bool is_kind(std::uint8_t number) {
  return number >= static_cast<std::uint8_t>(FrameKind::setup) &&
         number <= static_cast<std::uint8_t>(FrameKind::tree);
}

}  // namespace

void append_frame(const FrameHead& head, std::string_view body, std::string& out) {
  CANOPY_CHECK(body.size() <= frame_body_bytes_max);
  put(static_cast<std::uint32_t>(counted_head_bytes + body.size()), out);
  put(static_cast<std::uint8_t>(head.kind), out);
  put(head.flags, out);
  put(head.call, out);
  out += body;
}

std::size_t frame_bytes(std::string_view bytes) {
  return bytes.size() < size_bytes ? 0 : size_bytes + get<std::uint32_t>(bytes);
}

Result<std::optional<Frame>> take_frame(std::string_view& bytes, std::size_t body_bytes_max) {
  if (bytes.size() < size_bytes) return std::nullopt;
  const std::size_t counted = get<std::uint32_t>(bytes);
  if (counted < counted_head_bytes) {
    return fail(Code::invalid, "a frame of " + std::to_string(counted) + " bytes has no room for its head");
  }
  if (counted - counted_head_bytes > body_bytes_max) {
    return fail(Code::too_large, "a frame of " + std::to_string(counted) +
                                     " bytes is more than the limit of " + std::to_string(body_bytes_max));
  }
  if (bytes.size() < frame_head_bytes) return std::nullopt;
  const auto kind = get<std::uint8_t>(bytes.substr(size_bytes));
  if (!is_kind(kind)) return fail(Code::invalid, "there is no frame of the kind " + std::to_string(kind));
  if (bytes.size() - size_bytes < counted) return std::nullopt;
  Frame frame;
  frame.head.kind = static_cast<FrameKind>(kind);
  frame.head.flags = get<std::uint8_t>(bytes.substr(size_bytes + 1));
  frame.head.call = get<std::uint64_t>(bytes.substr(size_bytes + 2));
  frame.body = bytes.substr(frame_head_bytes, counted - counted_head_bytes);
  bytes.remove_prefix(size_bytes + counted);
  return frame;
}

}  // namespace canopy::wire
