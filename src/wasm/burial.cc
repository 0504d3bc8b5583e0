#include "wasm/burial.h"

#include <algorithm>
#include <utility>

#include <sys/mman.h>

#include "base/units.h"
#include "wasm/core_engine.h"

namespace canopy::wasm {
namespace {

constexpr std::size_t piece_bytes = 8 * MiB;  // Of one turn: less than a millisecond.

}  // namespace

Burial::Burial(CoreEngine& engine, std::unique_ptr<CallStore> store, std::span<std::byte> memory)
    : engine_(engine), store_(std::move(store)), memory_(memory) {
  engine_.core().enqueue(*this, exec::Core::level_count - 1, never);
}

Burial::~Burial() { engine_.core().leave(*this); }

std::unique_ptr<CallStore> Burial::take_store() { return std::move(store_); }

// What the kernel puts there anew is what the pool expects of a slot that is free: see
// CoreEngine::give_back().
void Burial::take() {
  const std::size_t size = std::min<std::size_t>(memory_.size(), piece_bytes);
  madvise(memory_.data(), size, MADV_DONTNEED);
  memory_ = memory_.subspan(size);
  if (memory_.empty()) return engine_.end_burial(*this);
  engine_.core().enqueue(*this, exec::Core::level_count - 1, never);
}

}  // namespace canopy::wasm
