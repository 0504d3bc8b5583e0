#pragma once
// A Runtime whose functions are C++ lambdas: for tests of everything above exec, without an engine.
//
// The code of a function is the name of a FakeFunction; code that names none is refused, as a module would
// be that does not validate.
//
// Threads: as Runtime; add(), release(), hold_prepare() and the counts from any thread.
// Life:    destroy it when no instance lives.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "exec/runtime.h"

namespace canopy::exec {

struct FakeFunction {
  // At the start, before any wait; may write to the log.
  std::function<void(Call& call)> begin;
  // Waits for release(), for cancel() or for the deadline.
  bool waits = false;
  // Makes the reply.
  std::function<void(Call& call, Reply& reply)> end;
};

class FakeRuntime final : public PlainRuntime {
 public:
  using FindCode = std::function<Result<std::filesystem::path>(std::string_view digest)>;

  explicit FakeRuntime(FindCode find_code);
  ~FakeRuntime() override;

  void add(std::string name, FakeFunction function);
  // Every instance that waits now goes on.
  void release();
  // prepare() blocks until this is called with false, or stop() is.
  void hold_prepare(bool hold);
  // Nothing was made before: find() finds nothing.
  void forget();
  // What each loaded template pretends to hold in memory, per core.
  void set_resident_bytes(std::uint64_t bytes);

  std::size_t waiting_count() const;
  std::size_t prepare_count() const;
  std::size_t unload_count() const;

  std::string_view name() const override { return "wasm"; }
  Result<void> check(const Function& function, std::string_view code) override;
  std::shared_ptr<Template> find(const Function& function) override;
  Result<std::shared_ptr<Template>> prepare(const Function& function) override;
  // prepare() is held no more, and fails from now on.
  void stop() override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace canopy::exec
