#pragma once
// What the engine and the functions it offers to guests know of each other. The guest folder says which
// functions there are; the engine calls them. Nothing here knows wasmtime.
//
// An Import is a plain function over a Caller and raw values. It runs on the guest's fiber, on its core's
// thread: it must not block. To wait, it asks the caller to suspend and says what to do after.
//
// Threads: a Caller belongs to its core.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "model/call.h"
#include "model/function.h"

namespace canopy::wasm {

// One argument or result, laid out as the engine passes it.
union alignas(16) Value {
  std::int32_t i32;
  std::int64_t i64;
  float f32;
  double f64;
};

// What a host function says when it returns.
enum class After {
  go_on,  // Results are set.
  wait,   // Caller::suspend() was called; go on after the wake-up.
  exit,   // Caller::exit() was called; the guest ends here.
  fail,   // Caller::fail() was called; the guest ends here with that error.
};

class Caller;
using HostFunction = After (*)(Caller& caller, Value* values);

struct Import {
  std::string_view module;
  std::string_view name;
  std::string_view parameters;  // One letter each: i = i32, I = i64, f = f32, F = f64.
  std::string_view results;
  HostFunction function;
  bool may_wait = false;  // It may return After::wait; costs a little more per call.
};

// The guest-side state of one call: file table, environment, and so on. Made by GuestFactory for each call
// before the instance starts, destroyed when the call ends.
class GuestState {
 public:
  virtual ~GuestState() = default;
};

// One running call as its host functions see it.
class Caller {
 public:
  virtual ~Caller() = default;

  // The guest's linear memory now; empty where it exports none. A later grow may move its end, never its
  // start. The bytes may change under your feet once guests have threads: read each once.
  virtual std::span<std::byte> memory() = 0;

  virtual GuestState& state() = 0;
  virtual Call& call() = 0;
  virtual Reply& reply() = 0;
  virtual const Clock& clock() const = 0;
  // The module is being initialised for its image: what must not be frozen (time, randomness, environment)
  // is refused with fail().
  virtual bool preparing() const = 0;

  virtual void exit(int code) = 0;
  virtual void fail(Error error) = 0;

  // Wait until `until`, or until wake() of the engine's choice; then `resume` sets the results (nullptr:
  // they are set already).
  virtual void suspend(Time until, HostFunction resume) = 0;

  // Ends the call's wait, from any thread and at any time; nothing where it does not wait or is over.
  // Empty where calls cannot wait.
  virtual std::function<void()> waker() { return {}; }
};

// Makes the state of one call. `function` lives as long as the state.
using GuestFactory = std::function<std::unique_ptr<GuestState>(const Function& function, const Call& call)>;

// All that a guest may import and how its state is made: passed to the engine by main.
struct Host {
  std::vector<Import> imports;
  std::vector<Import> language_imports = {};  // Beside those, for the interpreters of languages alone.
  GuestFactory make_state;
  // Brings to memory what calls of a function with these files will read, so that none of them waits for the
  // disk on its core. Blocks; any thread but a core's. It stays there as long as what this returns. May be
  // empty.
  std::function<std::shared_ptr<const void>(const std::vector<FunctionFile>& files)> warm_up = {};
};

// The part [offset, offset + size) of memory, or an empty optional where it does not lie inside.
inline std::span<std::byte> part(std::span<std::byte> memory, std::uint64_t offset, std::uint64_t size,
                                 bool& inside) {
  inside = offset <= memory.size() && size <= memory.size() - offset;
  return inside ? memory.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size))
                : std::span<std::byte>{};
}

}  // namespace canopy::wasm
