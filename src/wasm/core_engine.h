#pragma once
// The engine of one core, and the modules loaded into it.
//
// Each core has an engine of its own: reference counts of shared modules would bounce between cores, and two
// cores would then do little more than the work of one.
//
// Threads: all on the core's thread, but load_module() and load_image(), which any thread may call.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "exec/core.h"
#include "wasm/engine.h"
#include "wasm/remains.h"

namespace canopy::wasm {

// A module loaded into one engine, its imports resolved, its entry points found.
struct LoadedModule {
  std::shared_ptr<const ModuleHandle> code;  // Of an image: the interpreter's, which many share.
  ModuleHandle module;
  InstancePreHandle pre;
  std::vector<EntryHandle> entries;  // In the order they are called.
  std::vector<std::string> entry_names;
  std::uint64_t image_bytes = 0;
  std::shared_ptr<const void> files;                             // What its calls read; see Host::warm_up.
  std::uint32_t instance_count() const { return code ? 2 : 1; }  // Of one call.
};

class CoreEngine final : public exec::Turn {
 public:
  static Result<std::unique_ptr<CoreEngine>> make(exec::Core& core, const PoolOptions& options,
                                                  const std::vector<Import>& imports);
  ~CoreEngine() override;
  CoreEngine(const CoreEngine&) = delete;
  CoreEngine& operator=(const CoreEngine&) = delete;

  wasm_engine_t& engine() { return *engine_; }
  exec::Core& core() { return core_; }

  // Maps compiled code from disk. Any thread; blocks on the disk.
  Result<std::shared_ptr<LoadedModule>> load_module(const std::filesystem::path& compiled,
                                                    const std::vector<std::string>& entry_names);

  // The same for the image of a function in a language, and the compiled interpreter it is for.
  Result<std::shared_ptr<LoadedModule>> load_image(const std::filesystem::path& code,
                                                   const std::filesystem::path& image,
                                                   const std::vector<std::string>& entry_names);

  // One more instance lives; false where there is no slot for it.
  bool enter();
  // It is gone, or goes bit by bit where its memory is large: a later instance finds nothing of it.
  void leave(StoreHandle store, std::shared_ptr<LoadedModule> module, std::span<std::byte> memory);
  // The last bit of it is.
  void bury(const Remains& remains);
  std::uint32_t live_count() const { return live_count_; }

  // Where a memory or a fiber's stack lies: learned as they are used, to know what to give back.
  void saw_memory(const void* base);
  void saw_stack(const void* address);

  std::uint64_t trim_count() const { return trim_count_; }

 private:
  struct Range {
    std::uintptr_t first = ~std::uintptr_t{0};
    std::uintptr_t last = 0;
    void add(std::uintptr_t address);
  };

  CoreEngine(exec::Core& core, const PoolOptions& options) : core_(core), options_(options) {}
  void take() override;
  void expire() override {}
  // An instance is gone. When the last has left for a while, or at once after a crowd, what the slots kept
  // resident is given back.
  void count_out();
  Result<std::shared_ptr<const ModuleHandle>> load_code(const std::filesystem::path& code);
  static void give_back(const Range& range, std::uint64_t last_bytes);

  exec::Core& core_;
  const PoolOptions options_;
  EngineHandle engine_;
  LinkerHandle linker_;
  std::mutex codes_mutex_;
  std::map<std::string, std::weak_ptr<const ModuleHandle>> codes_;  // Guarded by it; by path.
  std::vector<std::unique_ptr<Remains>> remains_;                   // Before the engine goes, these do.
  std::uint32_t live_count_ = 0;
  std::uint32_t live_count_peak_ = 0;  // Since the last time all were gone and the slots were trimmed.
  bool trim_planned_ = false;
  Range memories_;
  Range stacks_;
  std::uint64_t trim_count_ = 0;
};

}  // namespace canopy::wasm
