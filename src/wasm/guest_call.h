#pragma once
// What the engine keeps of one call while its guest is inside: the Caller of host functions, and how the
// guest ended if a host function ended it. The store's data points here.
//
// Threads: one core.

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "wasm/handle.h"
#include "wasm/host.h"

namespace canopy::wasm {

class GuestCall : public Caller {
 public:
  GuestCall(const Clock& clock, bool preparing) : clock_(clock), preparing_(preparing) {}

  // -- as its host functions see it
  std::span<std::byte> memory() override;
  GuestState& state() override { return *state_; }
  Call& call() override { return *call_; }
  Reply& reply() override { return reply_; }
  const Clock& clock() const override { return clock_; }
  bool preparing() const override { return preparing_; }
  void exit(int code) override { exit_code_ = code; }
  void fail(Error error) override { error_ = std::move(error); }
  void suspend(Time until, HostFunction resume) override;

  // -- as the linker sees it
  void enter(wasmtime_caller_t* caller);
  wasm_trap_t* leave(After after);  // Null to go on.
  bool woken() const { return !waiting_; }
  HostFunction take_resume() { return std::exchange(resume_, nullptr); }

 protected:
  void find_memory();                                     // Once instance_ is there.
  const void* stack_seen() const { return stack_seen_; }  // Somewhere on its fiber's stack; null: not known.
  void forget_memory() { memory_found_ = false; }

  const Clock& clock_;
  const bool preparing_;
  std::unique_ptr<GuestState> state_;
  Call* call_ = nullptr;
  Reply reply_;
  wasmtime_context_t* context_ = nullptr;
  wasmtime_instance_t instance_{};
  std::optional<int> exit_code_;
  std::optional<Error> error_;
  bool waiting_ = false;
  Time wake_time_ = never;

 private:
  HostFunction resume_ = nullptr;
  const void* stack_seen_ = nullptr;
  wasmtime_memory_t memory_{};
  bool memory_found_ = false;
};

}  // namespace canopy::wasm
