#pragma once
// Rings once at a time, on its core: how handlers wait for something no longer than they may.
//
// Threads: its core's.

#include <functional>
#include <utility>

#include "exec/core.h"

namespace canopy::exec {

class Alarm final : public Turn {
 public:
  explicit Alarm(Core& core) : core_(core) {}
  ~Alarm() override { core_.leave(*this); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // Calls `ring` at `at` or soon after, instead of what was set before. `ring` may destroy the alarm.
  void set(Time at, std::function<void()> ring) {
    core_.leave(*this);
    ring_ = std::move(ring);
    core_.suspend(*this, at, never);
  }
  void stop() { core_.leave(*this); }

  void take() override {
    const auto ring = std::move(ring_);
    ring();
  }
  void expire() override { take(); }

 private:
  Core& core_;
  std::function<void()> ring_;
};

}  // namespace canopy::exec
