#pragma once
// The end of a call whose memory was large. The kernel takes a tenth of a second to take back a gigabyte, and
// the next to use the slot needs it clean: so the call is answered, and its store has turns on its core like
// any other, in each of which a piece of the memory goes; then the store does.
//
// Threads: its core's.
// Life:    its CoreEngine's, which ends it.

#include <cstddef>
#include <memory>
#include <span>

#include "exec/core.h"

namespace canopy::wasm {

class CoreEngine;
struct CallStore;

class Burial final : public exec::Turn {
 public:
  static constexpr std::size_t memory_bytes_min = 32 * 1024 * 1024;  // Less goes at once.

  // `memory` is that of the store's last call.
  Burial(CoreEngine& engine, std::unique_ptr<CallStore> store, std::span<std::byte> memory);
  ~Burial() override;
  Burial(const Burial&) = delete;
  Burial& operator=(const Burial&) = delete;

  std::unique_ptr<CallStore> take_store();

 private:
  void take() override;
  void expire() override {}

  CoreEngine& engine_;
  std::unique_ptr<CallStore> store_;
  std::span<std::byte> memory_;  // What the kernel still has to take.
};

}  // namespace canopy::wasm
