#include "wasm/core_engine.h"

#include <algorithm>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"

namespace canopy::wasm {
namespace {

// Each call that ended holds its slot until its store is dropped; so no more than a small part of all slots
// may be behind one call, which a tick may stop at any time.
std::size_t store_calls(std::uint32_t instances_max) {
  return std::clamp<std::size_t>(instances_max / 64, 1, 16);
}
constexpr std::uint64_t store_bytes_max = 1 * MiB;  // Of memories; large ones are worth no sharing.
constexpr std::size_t ended_count_max = 32;

constexpr Duration idle_before_trim = std::chrono::seconds(1);
constexpr std::uint32_t crowd = 256;  // So many slots are worth trimming as soon as they are free.

// Of a stack from where it was seen, so that it surely is all of that stack: a guest has half of it, and what
// host functions use below is less than this.
constexpr std::uintptr_t stack_bytes_below = 128 * KiB;
static_assert(wasm_stack_bytes + 2 * stack_bytes_below < fiber_stack_bytes);

std::uintptr_t page_bytes() { return static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

Result<std::unique_ptr<CoreEngine>> CoreEngine::make(exec::Core& core, const PoolOptions& options,
                                                     const std::vector<Import>& imports) {
  std::unique_ptr<CoreEngine> made(new CoreEngine(core, options));
  CANOPY_TRY(made->engine_, make_pooled_engine(options));
  CANOPY_TRY(made->linker_, make_linker(*made->engine_, imports, true));
  return made;
}

CoreEngine::CoreEngine(exec::Core& core, const PoolOptions& options)
    : core_(core), options_(options), store_calls_max_(store_calls(options.instances_max)) {}

CoreEngine::~CoreEngine() {
  if (drop_planned_) *drop_planned_ = nullptr;
  drop_stores();
  core_.leave(*this);
}

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
  if (live_count_ >= options_.instances_max) drop_stores();  // Of calls that have ended.
  if (live_count_ >= options_.instances_max) return false;
  live_count_peak_ = std::max(live_count_peak_, ++live_count_);
  if (warm_count_ > 0) --warm_count_;
  return true;
}

void CoreEngine::leave(const Remains& remains) {
  if (warm_count_ < crowd) {
    ++warm_count_;
  } else {
    give_back(remains);
  }
  if (--live_count_ > 0 || memories_.last == 0) return;
  const bool at_once = live_count_peak_ >= crowd;
  if (trim_planned_ && !at_once) return;
  trim_planned_ = true;
  core_.suspend(*this, core_.clock().now() + (at_once ? Duration::zero() : idle_before_trim), never);
}

std::unique_ptr<CallStore> CoreEngine::take_store(const std::shared_ptr<LoadedModule>& module) {
  if (ended_count_ >= ended_count_max || ended_bytes_ >= store_bytes_max) drop_stores();
  const bool alone = module->alone_count > 0;
  if (alone) --module->alone_count;
  if (!alone && spare_ && spare_->module == module) {
    ended_count_ -= spare_->remains.size();
    ended_bytes_ -= spare_->memory_bytes;
    return std::move(spare_);
  }
  auto made = std::make_unique<CallStore>();
  made->store.reset(wasmtime_store_new(engine_.get(), nullptr, nullptr));
  made->module = module;
  wasmtime_context_epoch_deadline_async_yield_and_update(wasmtime_store_context(made->store.get()), 1);
  return made;
}

void CoreEngine::put_store(std::unique_ptr<CallStore> store, const Remains& remains, bool good) {
  if (remains.memory_bytes >= Burial::memory_bytes_min) return drop_store(std::move(store), remains);
  store->remains.push_back(remains);
  store->memory_bytes += remains.memory_bytes;
  ended_count_ += store->remains.size();
  ended_bytes_ += store->memory_bytes;
  const bool has_room = store->remains.size() < store_calls_max_ && store->memory_bytes < store_bytes_max;
  if (good && has_room && store->module->alone_count == 0) std::swap(spare_, store);
  if (store) used_up_.push_back(std::move(store));
  if (drop_planned_) return;
  // Twice round the loop's queue: so behind the answers, which go there after this.
  drop_planned_ = std::make_shared<CoreEngine*>(this);
  core_.post([&core = core_, engine = drop_planned_] {
    core.post([engine] {
      if (*engine == nullptr) return;
      (*engine)->drop_planned_.reset();
      (*engine)->drop_stores();
    });
  });
}

void CoreEngine::drop_store(std::unique_ptr<CallStore> store, const Remains& last) {
  store->remains.push_back(last);
  if (last.memory_bytes < Burial::memory_bytes_min) return drop_store(std::move(store));
  burials_.push_back(
      std::make_unique<Burial>(*this, std::move(store), std::span(last.memory, last.memory_bytes)));
}

void CoreEngine::end_burial(Burial& burial) {
  drop_store(burial.take_store());
  std::erase_if(burials_, [&burial](const auto& each) { return each.get() == &burial; });
}

void CoreEngine::drop_store(std::unique_ptr<CallStore> store) {
  store->store.reset();
  for (const Remains& remains : store->remains) leave(remains);
}

void CoreEngine::drop_stores() {
  if (spare_) drop_store(std::move(spare_));
  for (auto& store : used_up_) drop_store(std::move(store));
  used_up_.clear();
  ended_count_ = 0;
  ended_bytes_ = 0;
}

// A call in the meantime puts it off by another second, and costs nothing itself.
void CoreEngine::take() {
  trim_planned_ = false;
  if (live_count_ > 0) return;  // leave() plans the next.
  give_back(memories_, 4 * GiB);
  give_back(stacks_, 0);  // Between two stacks there is nothing but stacks; past the last there may be.
  memories_ = {};
  stacks_ = {};
  live_count_peak_ = 0;
  warm_count_ = 0;
  ++trim_count_;
}

// What a free slot kept resident equals what the kernel puts there anew (the module's image, or zeroes), so
// dropping the pages changes nothing but their cost.
void CoreEngine::give_back(const Range& range, std::uint64_t last_bytes) {
  if (range.last == 0) return;
  const std::uintptr_t first = range.first & ~(page_bytes() - 1);
  madvise(reinterpret_cast<void*>(first), range.last - first + last_bytes, MADV_DONTNEED);  // NOLINT
}

void CoreEngine::give_back(const Remains& remains) {
  if (remains.memory_bytes > 0) madvise(remains.memory, remains.memory_bytes, MADV_DONTNEED);
  if (remains.stack == nullptr) return;
  const std::uintptr_t page = page_bytes();
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(remains.stack) & ~(page - 1)) + page;
  madvise(reinterpret_cast<void*>(end - stack_bytes_below), stack_bytes_below, MADV_DONTNEED);  // NOLINT
}

void CoreEngine::Range::add(std::uintptr_t address) {
  first = std::min(first, address);
  last = std::max(last, address);
}

void CoreEngine::saw_memory(const void* base) { memories_.add(reinterpret_cast<std::uintptr_t>(base)); }
void CoreEngine::saw_stack(const void* address) { stacks_.add(reinterpret_cast<std::uintptr_t>(address)); }

}  // namespace canopy::wasm
