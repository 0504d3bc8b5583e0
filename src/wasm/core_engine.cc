#include "wasm/core_engine.h"

#include <algorithm>

#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"

namespace canopy::wasm {
namespace {

constexpr Duration idle_before_trim = std::chrono::seconds(1);
constexpr std::uint32_t crowd = 256;  // So many slots are worth trimming as soon as they are free.

}  // namespace

Result<std::unique_ptr<CoreEngine>> CoreEngine::make(exec::Core& core, const PoolOptions& options,
                                                     const std::vector<Import>& imports) {
  std::unique_ptr<CoreEngine> made(new CoreEngine(core, options));
  CANOPY_TRY(made->engine_, make_pooled_engine(options));
  CANOPY_TRY(made->linker_, make_linker(*made->engine_, imports, true));
  return made;
}

CoreEngine::~CoreEngine() { core_.leave(*this); }

Result<std::shared_ptr<LoadedModule>> CoreEngine::load_module(const std::filesystem::path& compiled,
                                                              const std::vector<std::string>& entry_names) {
  auto loaded = std::make_shared<LoadedModule>();
  wasmtime_module_t* module = nullptr;
  if (const ErrorHandle error{wasmtime_module_deserialize_file(engine_.get(), compiled.c_str(), &module)}) {
    return fail(Code::unavailable, "loading " + compiled.string() + ": " + message(*error));
  }
  loaded->module.reset(module);
  wasmtime_instance_pre_t* pre = nullptr;
  if (const ErrorHandle error{wasmtime_linker_instantiate_pre(linker_.get(), module, &pre)}) {
    return fail(Code::refused, "linking: " + message(*error));
  }
  loaded->pre.reset(pre);
  for (const std::string& name : entry_names) {
    canopy_entry_t* entry = nullptr;
    if (const ErrorHandle error{canopy_entry_new(pre, name.data(), name.size(), &entry)}) {
      return fail(Code::refused, "the entry point '" + log_safe(name) + "': " + message(*error));
    }
    loaded->entries.emplace_back(entry);
  }
  loaded->entry_names = entry_names;
  std::size_t start = 0;
  std::size_t end = 0;
  wasmtime_module_image_range(module, reinterpret_cast<void**>(&start), reinterpret_cast<void**>(&end));
  loaded->image_bytes = end - start;
  return loaded;
}

Result<std::shared_ptr<const ModuleHandle>> CoreEngine::load_code(const std::filesystem::path& code) {
  const std::lock_guard lock(codes_mutex_);
  auto& kept = codes_[code.string()];
  if (auto found = kept.lock()) return found;
  wasmtime_module_t* module = nullptr;
  if (const ErrorHandle error{wasmtime_module_deserialize_file(engine_.get(), code.c_str(), &module)}) {
    return fail(Code::unavailable, "loading " + code.string() + ": " + message(*error));
  }
  auto loaded = std::make_shared<const ModuleHandle>(module);
  kept = loaded;
  return loaded;
}

Result<std::shared_ptr<LoadedModule>> CoreEngine::load_image(const std::filesystem::path& code,
                                                             const std::filesystem::path& image,
                                                             const std::vector<std::string>& entry_names) {
  CANOPY_TRY(auto shared_code, load_code(code));
  CANOPY_TRY(auto loaded, load_module(image, {}));
  for (const std::string& name : entry_names) {
    canopy_entry_t* entry = nullptr;
    if (const ErrorHandle error{canopy_hosted_entry_new(linker_.get(), shared_code->get(), loaded->pre.get(),
                                                        name.data(), name.size(), &entry)}) {
      return fail(Code::refused, "the entry point '" + log_safe(name) + "': " + message(*error));
    }
    loaded->entries.emplace_back(entry);
  }
  loaded->code = std::move(shared_code);
  loaded->entry_names = entry_names;
  return loaded;
}

bool CoreEngine::enter() {
  if (live_count_ >= options_.instances_max) return false;
  live_count_peak_ = std::max(live_count_peak_, ++live_count_);
  return true;
}

void CoreEngine::leave(StoreHandle store, std::shared_ptr<LoadedModule> module, std::span<std::byte> memory) {
  if (memory.size() >= Remains::memory_bytes_min) {
    remains_.push_back(std::make_unique<Remains>(*this, std::move(store), std::move(module), memory));
    return;
  }
  store.reset();
  count_out();
}

void CoreEngine::bury(const Remains& remains) {
  std::erase_if(remains_, [&remains](const auto& each) { return each.get() == &remains; });
  count_out();
}

void CoreEngine::count_out() {
  if (--live_count_ > 0 || memories_.last == 0) return;
  const bool at_once = live_count_peak_ >= crowd;
  if (trim_planned_ && !at_once) return;
  trim_planned_ = true;
  core_.suspend(*this, core_.clock().now() + (at_once ? Duration::zero() : idle_before_trim), never);
}

// A call in the meantime puts it off by another second, and costs nothing itself.
void CoreEngine::take() {
  trim_planned_ = false;
  if (live_count_ > 0) return;  // count_out() plans the next.
  give_back(memories_, 4 * GiB);
  give_back(stacks_, 0);  // Between two stacks there is nothing but stacks; past the last there may be.
  memories_ = {};
  stacks_ = {};
  live_count_peak_ = 0;
  ++trim_count_;
}

// What a free slot kept resident equals what the kernel puts there anew (the module's image, or zeroes), so
// dropping the pages changes nothing but their cost.
void CoreEngine::give_back(const Range& range, std::uint64_t last_bytes) {
  if (range.last == 0) return;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t first = range.first & ~(page - 1);
  madvise(reinterpret_cast<void*>(first), range.last - first + last_bytes, MADV_DONTNEED);  // NOLINT
}

void CoreEngine::Range::add(std::uintptr_t address) {
  first = std::min(first, address);
  last = std::max(last, address);
}

void CoreEngine::saw_memory(const void* base) { memories_.add(reinterpret_cast<std::uintptr_t>(base)); }
void CoreEngine::saw_stack(const void* address) { stacks_.add(reinterpret_cast<std::uintptr_t>(address)); }

}  // namespace canopy::wasm
