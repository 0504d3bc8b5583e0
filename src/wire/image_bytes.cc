#include "wire/image_bytes.h"

#include <algorithm>
#include <charconv>

namespace canopy::wire {

std::uint64_t image_bytes(const std::map<std::string, std::string>& env) {
  const auto found = env.find(std::string(image_bytes_variable));
  if (found == env.end()) return 0;
  const std::string& text = found->second;
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  constexpr std::uint64_t most = std::uint64_t{1} << 50U;  // A sum of many is still a number.
  return error == std::errc{} && end == text.data() + text.size() ? std::min(bytes, most) : 0;
}

}  // namespace canopy::wire
