#include "guest/descriptors.h"

#include <algorithm>
#include <utility>

namespace canopy::guest {

Descriptor* Descriptors::find(std::uint32_t number) {
  if (number >= table_.size() || !table_[number]) return nullptr;
  return &*table_[number];
}

Io<std::uint32_t> Descriptors::add(Descriptor descriptor) {
  if (!has_room()) return io_error(Errno::mfile);
  const auto free = std::find_if(table_.begin(), table_.end(), [](const auto& slot) { return !slot; });
  const auto number = static_cast<std::uint32_t>(free - table_.begin());
  ++open_count_;
  if (free == table_.end()) {
    table_.emplace_back(std::move(descriptor));
  } else {
    free->emplace(std::move(descriptor));
  }
  return number;
}

void Descriptors::preopen(Descriptor descriptor) {
  table_.emplace_back(std::move(descriptor));
  ++open_count_;
}

Errno Descriptors::close(std::uint32_t number) {
  if (find(number) == nullptr) return Errno::badf;
  table_[number].reset();
  --open_count_;
  return Errno::success;
}

Errno Descriptors::renumber(std::uint32_t from, std::uint32_t to) {
  if (find(from) == nullptr || find(to) == nullptr) return Errno::badf;
  if (from == to) return Errno::success;
  table_[to] = std::exchange(table_[from], std::nullopt);
  --open_count_;
  return Errno::success;
}

}  // namespace canopy::guest
