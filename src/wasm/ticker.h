#pragma once
// The one clock hand that ends slices: it advances the epoch of every core's engine.
//
// A tick a slice; four times as many while somebody stands in line for a core, so that whoever waits behind a
// heavy call waits less. Ticks are free for guests but for a load and a compare.
//
// Threads: one of its own, from construction to destruction.
// Life:    the engines and cores outlive it.

#include <memory>
#include <vector>

#include "base/clock.h"
#include "wasm/core_engine.h"

namespace canopy::wasm {

class Ticker {
 public:
  Ticker(std::vector<CoreEngine*> engines, Duration slice);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace canopy::wasm
