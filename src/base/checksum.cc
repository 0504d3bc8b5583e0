#include "base/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace canopy {
namespace {

// One to one in each argument while the other stays: so no single change is lost on the way to the end.
std::uint64_t mixed(std::uint64_t state, std::uint64_t word) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
  return std::rotl((state ^ word) * odd, 29);
}

}  // namespace

// The lanes do not wait for each other, so the processor works on all of them at once; in a copy, because the
// bytes might be the lanes for all that the compiler knows.
void Checksum::take_blocks(const char* block, std::size_t count) {
  auto lanes = lanes_;
  for (; count > 0; --count, block += block_bytes) {
    std::array<std::uint64_t, lane_count> words;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    std::memcpy(words.data(), block, block_bytes);
    for (std::size_t i = 0; i < lane_count; ++i) lanes[i] = mixed(lanes[i], words[i]);
  }
  lanes_ = lanes;
}

void Checksum::update(std::string_view bytes) {
  size_bytes_ += bytes.size();
  if (open_bytes_ > 0) {
    const std::size_t taken = std::min(block_bytes - open_bytes_, bytes.size());
    std::memcpy(open_.data() + open_bytes_, bytes.data(), taken);
    open_bytes_ += taken;
    bytes.remove_prefix(taken);
    if (open_bytes_ < block_bytes) return;
    take_blocks(open_.data(), 1);
    open_bytes_ = 0;
  }
  const std::size_t count = bytes.size() / block_bytes;
  take_blocks(bytes.data(), count);
  bytes.remove_prefix(count * block_bytes);
  std::copy(bytes.begin(), bytes.end(), open_.begin());
  open_bytes_ = bytes.size();
}

std::uint64_t Checksum::value() const {
  Checksum last = *this;
  std::fill(last.open_.begin() + static_cast<std::ptrdiff_t>(open_bytes_), last.open_.end(), '\0');
  last.take_blocks(last.open_.data(), 1);
  std::uint64_t whole = mixed(0, size_bytes_);
  for (const std::uint64_t lane : last.lanes_) whole = mixed(whole, lane);
  return whole ^ whole >> 32U;
}

std::uint64_t checksum(std::string_view bytes) {
  Checksum sum;
  sum.update(bytes);
  return sum.value();
}

}  // namespace canopy
