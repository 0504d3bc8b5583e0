#include "wasm/template.h"

#include "wasm/execution.h"

namespace canopy::wasm {

std::unique_ptr<exec::Instance> WasmTemplate::start(exec::Core& core) {
  return std::make_unique<Execution>(shared_from_this(), core);
}

std::uint64_t WasmTemplate::resident_bytes() const { return resident_bytes_.load(std::memory_order_relaxed); }

std::uint64_t WasmTemplate::resident_bytes(const exec::Core& core) const {
  const auto& module = loaded(core);
  return module ? module->image_bytes : 0;
}

void WasmTemplate::unload(exec::Core& core) {
  engine(core).drop_stores();
  auto& module = cores_.at(core.index()).module;
  if (!module || module.use_count() > 1) return;  // A call of it runs here.
  resident_bytes_ -= module->image_bytes;
  module.reset();
}

Result<std::shared_ptr<LoadedModule>> WasmTemplate::load_now(exec::Core& core,
                                                             const std::vector<FunctionFile>& files) {
  CoreEngine& own = engine(core);
  auto module = parts_.code.empty() ? own.load_module(parts_.compiled, parts_.plan.entry_names)
                                    : own.load_image(parts_.code, parts_.compiled, parts_.plan.entry_names);
  if (module && host().warm_up) (*module)->files = host().warm_up(files);
  return module;
}

net::Task<Result<std::shared_ptr<LoadedModule>>> WasmTemplate::load(exec::Core& core,
                                                                    std::vector<FunctionFile> files) {
  PerCore& here = cores_.at(core.index());
  while (here.loading) {
    net::Event loaded;
    here.waiters.push_back(&loaded);
    co_await loaded.wait();
  }
  if (here.module) co_return here.module;

  here.loading = true;
  const std::function<Result<std::shared_ptr<LoadedModule>>()> work = [this, &core, &files] {
    return load_now(core, files);
  };
  auto module = co_await net::run_blocking(*parts_.pool, work);
  here.loading = false;
  for (net::Event* const waiter : std::exchange(here.waiters, {})) waiter->set();
  if (module) {
    here.module = *module;
    resident_bytes_ += here.module->image_bytes;
  }
  co_return module;
}

}  // namespace canopy::wasm
