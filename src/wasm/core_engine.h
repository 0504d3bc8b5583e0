#pragma once
// The engine of one core, and the modules loaded into it.
//
// Each core has an engine of its own: reference counts of shared modules would bounce between cores, and two
// cores would then do little more than the work of one.
//
// Threads: all on the core's thread, but load_module() and load_image(), which any thread may call.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "exec/core.h"
#include "wasm/burial.h"
#include "wasm/engine.h"

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
  // A call that waits or takes long holds what the calls before it left in its store. So after one that did,
  // as many calls as this have a store for themselves. On the core's thread.
  std::uint32_t alone_count = 0;
};

// What an instance that is gone kept resident; null for what is not known.
struct Remains {
  std::byte* memory = nullptr;
  std::uint64_t memory_bytes = 0;
  const void* stack = nullptr;  // Somewhere on its fiber's.
};

// A store, for some calls of one module, one after the other. Each has instances of its own, which share
// nothing; they are gone when the store is. To make and drop a store costs about as much as an instance.
struct CallStore {
  std::shared_ptr<LoadedModule> module;  // Outlives the store.
  StoreHandle store;
  std::uint64_t memory_bytes = 0;
  std::vector<Remains> remains;  // Of each call that ended.
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
  // One is gone. A few hundred slots stay warm for those that come; what more of them keep is given back as
  // they become free, and the rest when the last has left for a while, or at once after a crowd.
  void leave(const Remains& remains = {});
  std::uint32_t live_count() const { return live_count_; }

  // A store for one call of `module`, for which enter() made room.
  std::unique_ptr<CallStore> take_store(const std::shared_ptr<LoadedModule>& module);
  // That call has ended by itself, and `good` says whether the store may serve another. It is dropped, and
  // the call's slot free, by the end of this round of the loop: behind the answers.
  void put_store(std::unique_ptr<CallStore> store, const Remains& remains, bool good);
  // That call was ended, or trapped: nothing of it can be reached when this returns. What its memory held
  // goes bit by bit where it is large, and its slot is free then.
  void drop_store(std::unique_ptr<CallStore> store, const Remains& last);
  // The last bit of it is gone.
  void end_burial(Burial& burial);
  // Drops all that no call uses.
  void drop_stores();

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

  CoreEngine(exec::Core& core, const PoolOptions& options);
  void take() override;
  void expire() override {}
  void drop_store(std::unique_ptr<CallStore> store);
  Result<std::shared_ptr<const ModuleHandle>> load_code(const std::filesystem::path& code);
  static void give_back(const Range& range, std::uint64_t last_bytes);
  static void give_back(const Remains& remains);

  exec::Core& core_;
  const PoolOptions options_;
  const std::size_t store_calls_max_;
  EngineHandle engine_;
  LinkerHandle linker_;
  std::mutex codes_mutex_;
  std::map<std::string, std::weak_ptr<const ModuleHandle>> codes_;  // Guarded by it; by path.
  std::vector<std::unique_ptr<Burial>> burials_;                    // Before the engine goes, these do.
  std::uint32_t live_count_ = 0;
  std::uint32_t live_count_peak_ = 0;  // Since the last time all were gone and the slots were trimmed.
  std::uint32_t warm_count_ = 0;       // Of free slots that keep something.
  bool trim_planned_ = false;
  std::unique_ptr<CallStore> spare_;                 // For the next call.
  std::vector<std::unique_ptr<CallStore>> used_up_;  // To be dropped.
  std::size_t ended_count_ = 0;                      // Calls whose slots these stores hold,
  std::uint64_t ended_bytes_ = 0;                    // and their memory.
  std::shared_ptr<CoreEngine*> drop_planned_;        // Null where it is not.
  Range memories_;
  Range stacks_;
  std::uint64_t trim_count_ = 0;
};

}  // namespace canopy::wasm
