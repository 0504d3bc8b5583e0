#pragma once
// What the imports of every module have in common: their caller, its state and memory, and the rules for
// input, output, log, and for what a preparing module must not ask for.
//
// Threads: belongs to its call. Life: made for one import, on the stack.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guest/binding.h"
#include "guest/memory.h"
#include "guest/state.h"
#include "wasm/host.h"

namespace canopy::guest {

class Calls {
 public:
  explicit Calls(wasm::Caller& caller) : caller_(caller) {}

 protected:
  wasm::Caller& caller() { return caller_; }
  State& state() { return State::of(caller_); }
  Memory memory() { return Memory(caller_.memory()); }

  // Ends the call where the module is being prepared: `what` would be frozen into its image.
  bool refused_while_preparing(std::string_view what);

  // Appends to the reply's output. False: past the limit, and the call has failed.
  bool append_output(std::string_view bytes);
  // Standard output: the reply's output, or the log. False as above.
  bool write_stdout(std::string_view bytes);
  void write_log(CallLog::Stream stream, std::string_view bytes);
  // From now on the function sets its output itself; what it printed so far goes to the log.
  void take_over_output();

  // Fails the call for a pointer that leads outside its memory.
  wasm::After bad_pointer(std::string_view import, std::uint64_t at, std::uint64_t size);

 private:
  wasm::Caller& caller_;
};

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace canopy::guest
