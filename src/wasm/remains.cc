#include "wasm/remains.h"

#include <algorithm>
#include <utility>

#include <sys/mman.h>

#include "base/units.h"
#include "wasm/core_engine.h"

namespace canopy::wasm {
namespace {

constexpr std::size_t piece_bytes = 8 * MiB;  // Of one turn: less than a millisecond.

}  // namespace

Remains::Remains(CoreEngine& engine, StoreHandle store, std::shared_ptr<LoadedModule> module,
                 std::span<std::byte> memory)
    : engine_(engine), module_(std::move(module)), store_(std::move(store)), memory_(memory) {
  engine_.core().enqueue(*this, exec::Core::level_count - 1, never);
}

Remains::~Remains() { engine_.core().leave(*this); }

// What the kernel puts there anew is what the pool expects of a slot that is free: see
// CoreEngine::give_back().
void Remains::take() {
  const std::size_t size = std::min<std::size_t>(memory_.size(), piece_bytes);
  madvise(memory_.data(), size, MADV_DONTNEED);
  memory_ = memory_.subspan(size);
  if (memory_.empty()) return engine_.bury(*this);
  engine_.core().enqueue(*this, exec::Core::level_count - 1, never);
}

}  // namespace canopy::wasm
