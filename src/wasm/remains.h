#pragma once
// What is left of a call whose memory was large. The kernel takes a tenth of a second to take back a
// gigabyte, and the next to use the slot needs it clean: so the call is answered, and what is left of it has
// turns on its core like any other, in each of which a piece goes.
//
// Threads: its core's.
// Life:    its CoreEngine's, which ends it.

#include <cstddef>
#include <memory>
#include <span>

#include "exec/core.h"
#include "wasm/handle.h"

namespace canopy::wasm {

class CoreEngine;
struct LoadedModule;

class Remains final : public exec::Turn {
 public:
  static constexpr std::size_t memory_bytes_min = 32 * 1024 * 1024;  // Less goes at once.

  Remains(CoreEngine& engine, StoreHandle store, std::shared_ptr<LoadedModule> module,
          std::span<std::byte> memory);
  ~Remains() override;
  Remains(const Remains&) = delete;
  Remains& operator=(const Remains&) = delete;

 private:
  void take() override;
  void expire() override {}

  CoreEngine& engine_;
  std::shared_ptr<LoadedModule> module_;  // Outlives the store.
  StoreHandle store_;
  std::span<std::byte> memory_;  // What the kernel still has to take.
};

}  // namespace canopy::wasm
