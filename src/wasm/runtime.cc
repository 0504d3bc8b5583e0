#include "wasm/runtime.h"

#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

#include "base/log.h"
#include "base/sha256.h"
#include "wasm/core_engine.h"
#include "wasm/template.h"
#include "wasm/ticker.h"
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

class WasmRuntime final : public exec::Runtime {
 public:
  WasmRuntime(RuntimeOptions options, Host host, net::BlockingPool& pool)
      : options_(std::move(options)), host_(std::move(host)), pool_(pool) {
    for (const Import& import : host_.imports) offered_.push_back({import.module, import.name});
  }

  Result<void> start(const std::vector<exec::Core*>& cores) {
    std::vector<CoreEngine*> engines;
    for (exec::Core* const core : cores) {
      CANOPY_TRY(auto engine, CoreEngine::make(*core, options_.pool, host_.imports));
      engines.push_back(engine.get());
      engines_.push_back(std::move(engine));
    }
    ticker_ = std::make_unique<Ticker>(std::move(engines), options_.slice);
    return {};
  }

  std::string_view name() const override { return "wasm"; }

  Result<void> check(const Function& function, std::string_view code) override {
    CANOPY_TRY(const wire::WasmModule module, wire::inspect_wasm(code));
    return wire::check_deployable(module, offered_, function.limits);
  }

  std::shared_ptr<exec::Template> find(const Function& function) override {
    const std::string key = compiled_name(function);
    if (auto kept = find_made(key)) return kept;
    Result<ModulePlan> plan = read_plan(compiled_path(key));
    return plan ? keep(key, *std::move(plan)) : nullptr;
  }

  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    if (auto found = find(function)) return found;
    const std::string key = compiled_name(function);
    CANOPY_TRY(ModulePlan plan, make(function, compiled_path(key)));
    return keep(key, std::move(plan));
  }

 private:
  // What the image may hold of a function: its code, and what its start-up can have read or had room for.
  static std::string compiled_name(const Function& function) {
    std::string seen = function.digest + '\n' + std::to_string(function.limits.memory_bytes) + '\n';
    for (const FunctionFile& file : function.files) seen += file.digest + ' ' + file.path + '\n';
    return sha256_hex(seen);
  }

  std::filesystem::path compiled_path(const std::string& key) const {
    return options_.compiled_folder / engine_version() / (key + ".cwasm");
  }

  std::shared_ptr<exec::Template> find_made(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto at = templates_.find(key);
    return at == templates_.end() ? nullptr : at->second.lock();
  }

  std::shared_ptr<exec::Template> keep(const std::string& key, ModulePlan plan) {
    WasmTemplate::Parts parts{.compiled = compiled_path(key),
                              .plan = std::move(plan),
                              .engines = {},
                              .host = &host_,
                              .pool = &pool_};
    for (const auto& engine : engines_) parts.engines.push_back(engine.get());
    auto made = std::make_shared<WasmTemplate>(std::move(parts));
    const std::lock_guard lock(mutex_);
    std::erase_if(templates_, [](const auto& entry) { return entry.second.expired(); });
    if (auto kept = templates_[key].lock()) return kept;  // Somebody else was as fast.
    templates_[key] = made;
    return made;
  }

  Result<ModulePlan> make(const Function& function, const std::filesystem::path& compiled) {
    const auto code_path = options_.code_path(function.digest);
    if (!code_path) {  // For a client the function is there: its code was lost, which is ours to say.
      return fail(Code::unavailable,
                  "the code of this version is lost (" + code_path.error().message + "); deploy it again");
    }
    const std::filesystem::path& code = *code_path;
    std::ifstream file(code, std::ios::binary);
    if (!file) return fail(Code::unavailable, "cannot read " + code.string());
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    CANOPY_TRY(const wire::WasmModule module, wire::inspect_wasm(bytes));
    CANOPY_TRY_VOID(wire::check_deployable(module, offered_, function.limits));
    const Time before = system_clock().now();
    auto plan = compile(options_.compile, function, code, compiled, entry_names(module));
    if (plan) {
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(system_clock().now() - before);
      log::debug("compiled {} in {} ms{}{}", function.digest.substr(0, 12), took.count(),
                 plan->note.empty() ? "" : "; its start-up runs in each call: ", log_safe(plan->note));
    }
    return plan;
  }

  const RuntimeOptions options_;
  const Host host_;
  net::BlockingPool& pool_;
  std::vector<wire::OfferedImport> offered_;
  std::vector<std::unique_ptr<CoreEngine>> engines_;
  std::unique_ptr<Ticker> ticker_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<WasmTemplate>> templates_;
};

}  // namespace

Result<std::unique_ptr<exec::Runtime>> make_runtime(RuntimeOptions options,
                                                    const std::vector<exec::Core*>& cores, Host host,
                                                    net::BlockingPool& pool) {
  auto runtime = std::make_unique<WasmRuntime>(std::move(options), std::move(host), pool);
  CANOPY_TRY_VOID(runtime->start(cores));
  return runtime;
}

}  // namespace canopy::wasm
