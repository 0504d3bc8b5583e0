#include "policy/evict.h"

#include <algorithm>
#include <utility>

namespace canopy::policy {

std::vector<std::size_t> choose_unloads(std::span<const Resident> residents, const Room& room) {
  std::uint64_t bytes = 0;
  std::size_t loaded = 0;
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < residents.size(); ++i) {
    bytes += residents[i].bytes;
    if (residents[i].bytes > 0) ++loaded;
    if (!residents[i].busy && residents[i].bytes > 0) idle.push_back(i);
  }
  const auto fits = [&] { return bytes <= room.bytes_max && loaded <= room.count_max; };
  if (fits()) return {};
  std::ranges::sort(idle, {}, [residents](std::size_t i) { return std::pair(residents[i].used, i); });
  std::size_t count = 0;
  while (count < idle.size() && !fits()) {
    bytes -= residents[idle[count++]].bytes;
    --loaded;
  }
  idle.resize(count);
  return idle;
}

}  // namespace canopy::policy
