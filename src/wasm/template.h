#pragma once
// A WebAssembly function made ready: compiled code on disk, and a loaded module per core that has called it.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "net/event.h"
#include "wasm/core_engine.h"

namespace canopy::wasm {

// What the compile child found out about a module; kept beside the compiled code.
struct ModulePlan {
  // Exports to call, in order, in each fresh instance: the handler alone where the start-up is in the image.
  std::vector<std::string> entry_names;
  bool preinitialised = false;
  std::uint64_t compiled_bytes = 0;     // So that half a file is seen to be one,
  std::uint64_t compiled_checksum = 0;  // and one in which a bit flipped.
  std::string note;                     // Why it is not, where one would expect it; for people.
};

class WasmTemplate final : public exec::Template, public std::enable_shared_from_this<WasmTemplate> {
 public:
  struct Parts {
    std::filesystem::path compiled;
    std::filesystem::path code = {};  // Of a language's interpreter; `compiled` is then an image for it.
    ModulePlan plan;
    std::vector<CoreEngine*> engines;  // By core index.
    const Host* host = nullptr;
    net::BlockingPool* pool = nullptr;
  };

  explicit WasmTemplate(Parts parts) : parts_(std::move(parts)), cores_(parts_.engines.size()) {}

  std::unique_ptr<exec::Instance> start(exec::Core& core) override;
  std::uint64_t resident_bytes() const override;
  std::uint64_t resident_bytes(const exec::Core& core) const override;
  void unload(exec::Core& core) override;

  const ModulePlan& plan() const { return parts_.plan; }
  const Host& host() const { return *parts_.host; }
  CoreEngine& engine(const exec::Core& core) { return *parts_.engines.at(core.index()); }

  // The module on `core` if it is loaded there; null otherwise. On the core's thread, as load() is.
  const std::shared_ptr<LoadedModule>& loaded(const exec::Core& core) const {
    return cores_.at(core.index()).module;
  }
  // Loads it, and `files` of the function that asks, off the core's thread. Many may ask at once; it loads
  // once.
  net::Task<Result<std::shared_ptr<LoadedModule>>> load(exec::Core& core, std::vector<FunctionFile> files);

 private:
  Result<std::shared_ptr<LoadedModule>> load_now(exec::Core& core, const std::vector<FunctionFile>& files);

  struct PerCore {
    std::shared_ptr<LoadedModule> module;
    bool loading = false;
    std::vector<net::Event*> waiters;
  };

  const Parts parts_;
  std::vector<PerCore> cores_;
  std::atomic<std::uint64_t> resident_bytes_{0};
};

}  // namespace canopy::wasm
