#pragma once
// One call in a fresh instance on a fiber.
//
//   run ─ begin ─▶ slice ─▶ ended                        most calls: one slice, on the spot
//                   │  ▲
//                   ├──┤ slice used up: in line with the others on the core
//                   └──┘ waits: until its wake-up or its deadline
//
// Threads: its core's.
// Life:    the call, its function and its log outlive run().

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "exec/core.h"
#include "exec/runtime.h"
#include "net/event.h"
#include "wasm/guest_call.h"
#include "wasm/template.h"

namespace canopy::wasm {

class Execution final : public exec::Instance, public exec::Turn, public GuestCall {
 public:
  Execution(std::shared_ptr<WasmTemplate> from, exec::Core& core);
  ~Execution() override;
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  net::Task<Reply> run(Call& call) override;
  void cancel() override;
  std::function<void()> waker() override;

 private:
  void take() override;
  void expire() override;

  void begin();
  void start_entry();
  void slice(Time since);
  void entry_ended();
  void wait_for_turn(Time now);
  void end_by_itself(bool good);
  void end();
  void end_with(Error error);
  void read_memory_size();
  Remains remains();

  const std::shared_ptr<WasmTemplate> template_;
  exec::Core& core_;
  CoreEngine& engine_;
  std::shared_ptr<LoadedModule> module_;
  std::unique_ptr<CallStore> store_;
  FutureHandle future_;
  wasmtime_func_t entry_function_{};  // Of an entry after the first.
  wasmtime_val_t entry_value_{};
  std::size_t entry_index_ = 0;
  std::int32_t result_ = 0;
  wasm_trap_t* trap_ = nullptr;
  wasmtime_error_t* engine_error_ = nullptr;
  Time began_{};
  Time seen_{};  // When it was last left.
  std::span<std::byte> memory_left_;
  // Who may wake this call holds it too; the pointer is null once the call has ended, and the core's.
  struct Alive {
    Execution* execution;
  };
  std::shared_ptr<Alive> alive_;
  bool ended_ = false;
  net::Event done_;
};

}  // namespace canopy::wasm
