#include "base/id.h"

#include <cerrno>

#include <sys/random.h>

#include "base/check.h"
#include "base/hex.h"

namespace canopy {
namespace {

std::optional<std::uint64_t> parse_hex(std::string_view text) {
  std::uint64_t value = 0;
  for (const char c : text) {
    const auto digit = hex_value(c);
    if (!digit) return std::nullopt;
    value = value << 4 | *digit;
  }
  return value;
}

}  // namespace

void append_text(CallId id, std::string& out) {
  std::array<char, 32> text{};
  std::size_t at = 0;
  for (const std::uint64_t part : {id.high, id.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text[at++] = hex_digits[part >> shift & 15];
  }
  out.append(text.data(), text.size());
}

std::string to_text(CallId id) {
  std::string text;
  text.reserve(32);
  append_text(id, text);
  return text;
}

std::optional<CallId> parse_call_id(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  const auto high = parse_hex(text.substr(0, 16));
  const auto low = parse_hex(text.substr(16));
  if (!high || !low) return std::nullopt;
  return CallId{*high, *low};
}

CallId IdSource::next() {
  if (used_ + 2 > block_.size()) {
    fill_random(block_.data(), sizeof block_);
    used_ = 0;
  }
  const CallId id{block_[used_], block_[used_ + 1]};
  block_[used_] = block_[used_ + 1] = 0;  // What was given out cannot be read back from memory.
  used_ += 2;
  return id;
}

void fill_random(void* data, std::size_t size) {
  auto* next = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = getrandom(next, size, 0);
    if (got < 0 && errno == EINTR) continue;
    CANOPY_CHECK(got > 0);
    next += got;
    size -= static_cast<std::size_t>(got);
  }
}

}  // namespace canopy
