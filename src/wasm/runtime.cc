#include "wasm/runtime.h"

#include <fstream>
#include <iterator>

#include "base/log.h"
#include "base/sha256.h"
#include "wasm/engines.h"
#include "wire/wasm_check.h"
#include "wire/wasm_inspect.h"

namespace canopy::wasm {
namespace {

// The exports to call in a fresh instance, the handler last.
std::vector<std::string> entry_names(const wire::WasmModule& module) {
  std::vector<std::string> names;
  if (module.shape() == wire::WasmShape::command) {
    if (!module.init().empty()) names.emplace_back(module.init());
    names.emplace_back("_start");
    return names;
  }
  if (module.has_initialize()) names.emplace_back("_initialize");
  if (!module.init().empty()) names.emplace_back(module.init());
  names.emplace_back(module.handler());
  return names;
}

class WasmRuntime final : public exec::PlainRuntime {
 public:
  explicit WasmRuntime(std::shared_ptr<Engines> engines) : engines_(std::move(engines)) {
    for (const Import& import : engines_->host().imports) offered_.push_back({import.module, import.name});
  }

  std::string_view name() const override { return "wasm"; }

  Result<void> check(const Function& function, std::string_view code) override {
    CANOPY_TRY(const wire::WasmModule module, wire::inspect_wasm(code));
    return wire::check_deployable(module, offered_, function.limits);
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    const std::string key = compiled_name(function);
    if (auto kept = engines_->find(key)) return kept;
    Result<ModulePlan> plan = engines_->find_plan(key);
    return plan ? engines_->keep(key, *std::move(plan)) : nullptr;
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    if (auto found = find(function)) return found;
    const std::string key = compiled_name(function);
    CANOPY_TRY(ModulePlan plan, make(function, engines_->compiled_path(key)));
    return engines_->keep(key, std::move(plan));
  }

  std::string made_name(const Function& function) const override { return compiled_name(function); }

  // Of all runtimes that share the engines.
  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) override {
    return engines_->sweep(names, age);
  }

 private:
  // What the image may hold of a function: its code, and what its start-up can have read or had room for.
  static std::string compiled_name(const Function& function) {
    std::string seen = function.digest + '\n' + std::to_string(function.limits.memory_bytes) + '\n';
    for (const FunctionFile& file : function.files) seen += file.digest + ' ' + file.path + '\n';
    return sha256_hex(seen);
  }

  Result<ModulePlan> make(const Function& function, const std::filesystem::path& compiled) {
    CANOPY_TRY(const std::filesystem::path code, engines_->code_path(function));
    std::ifstream file(code, std::ios::binary);
    if (!file) return fail(Code::unavailable, "cannot read " + code.string());
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    CANOPY_TRY(const wire::WasmModule module, wire::inspect_wasm(bytes));
    CANOPY_TRY_VOID(wire::check_deployable(module, offered_, function.limits));
    const Time before = system_clock().now();
    auto plan = compile(engines_->options().compile, function, code, compiled, entry_names(module));
    if (plan) {
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(system_clock().now() - before);
      log::debug("compiled {} in {} ms{}{}", function.digest.substr(0, 12), took.count(),
                 plan->note.empty() ? "" : "; its start-up runs in each call: ", log_safe(plan->note));
    }
    return plan;
  }

  const std::shared_ptr<Engines> engines_;
  std::vector<wire::OfferedImport> offered_;
};

}  // namespace

std::unique_ptr<exec::Runtime> make_module_runtime(std::shared_ptr<Engines> engines) {
  return std::make_unique<WasmRuntime>(std::move(engines));
}

Result<std::unique_ptr<exec::Runtime>> make_runtime(RuntimeOptions options,
                                                    const std::vector<exec::Core*>& cores, Host host,
                                                    net::BlockingPool& pool) {
  CANOPY_TRY(auto engines, Engines::make(std::move(options), cores, std::move(host), pool));
  return make_module_runtime(std::move(engines));
}

}  // namespace canopy::wasm
