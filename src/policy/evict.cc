#include "policy/evict.h"

#include <algorithm>
#include <utility>

namespace canopy::policy {

std::vector<std::size_t> choose_unloads(std::span<const Resident> residents, std::uint64_t bytes_max) {
  std::uint64_t bytes = 0;
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < residents.size(); ++i) {
    bytes += residents[i].bytes;
    if (!residents[i].busy && residents[i].bytes > 0) idle.push_back(i);
  }
  if (bytes <= bytes_max) return {};
  std::ranges::sort(idle, {}, [residents](std::size_t i) { return std::pair(residents[i].used, i); });
  std::size_t count = 0;
  while (count < idle.size() && bytes > bytes_max) bytes -= residents[idle[count++]].bytes;
  idle.resize(count);
  return idle;
}

}  // namespace canopy::policy
