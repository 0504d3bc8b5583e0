#pragma once
// 128-bit identifiers that cannot be guessed, as 32 hexadecimal digits in text.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace canopy {

struct CallId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const CallId&) const = default;
};

std::string to_text(CallId id);
void append_text(CallId id, std::string& out);
std::optional<CallId> parse_call_id(std::string_view text);

// Fresh identifiers from the kernel's random numbers, read in blocks so that one costs nanoseconds.
// Threads: one object per thread.
class IdSource {
 public:
  CallId next();

 private:
  std::array<std::uint64_t, 512> block_{};
  std::size_t used_ = 512;
};

// Fills `size` bytes with unpredictable ones. Aborts where the kernel has none to give.
void fill_random(void* data, std::size_t size);

}  // namespace canopy

template <>
struct std::hash<canopy::CallId> {
  std::size_t operator()(const canopy::CallId& id) const noexcept { return id.low; }
};
