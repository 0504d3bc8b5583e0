#include "wasm/engines.h"

#include <utility>

namespace canopy::wasm {
namespace {

std::vector<Import> join(const Host& host) {
  std::vector<Import> all = host.imports;
  all.insert(all.end(), host.language_imports.begin(), host.language_imports.end());
  return all;
}

}  // namespace

Engines::Engines(RuntimeOptions options, Host host, net::BlockingPool& pool)
    : options_(std::move(options)), host_(std::move(host)), all_imports_(join(host_)), pool_(pool) {}

Result<std::shared_ptr<Engines>> Engines::make(RuntimeOptions options, const std::vector<exec::Core*>& cores,
                                               Host host, net::BlockingPool& pool) {
  std::shared_ptr<Engines> made(new Engines(std::move(options), std::move(host), pool));
  std::vector<CoreEngine*> engines;
  for (exec::Core* const core : cores) {
    CANOPY_TRY(auto engine, CoreEngine::make(*core, made->options_.pool, made->all_imports_));
    engines.push_back(engine.get());
    made->engines_.push_back(std::move(engine));
  }
  made->ticker_ = std::make_unique<Ticker>(std::move(engines), made->options_.slice);
  return made;
}

Result<ModulePlan> Engines::find_plan(const std::string& key) {
  if (!files_.renew(key)) return fail(Code::not_found, "nothing was made under " + key);
  return read_plan(files_.path(key));
}

void Engines::keep_always(const std::string& key) {
  const std::lock_guard lock(mutex_);
  kept_always_.insert(key);
}

Result<std::uint64_t> Engines::sweep(const std::set<std::string>& names, Duration age) {
  return files_.sweep(age, [this, &names](const std::string& key) {
    if (names.contains(key)) return true;
    const std::lock_guard lock(mutex_);
    if (kept_always_.contains(key)) return true;
    const auto at = templates_.find(key);
    return at != templates_.end() && !at->second.expired();
  });
}

Result<std::filesystem::path> Engines::code_path(const Function& function) const {
  auto path = options_.code_path(function.digest);
  if (path) return path;
  // For a client the function is there: its code was lost, which is ours to say.
  return fail(Code::unavailable,
              "the code of this version is lost (" + path.error().message + "); deploy it again");
}

std::shared_ptr<exec::Template> Engines::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto at = templates_.find(key);
  return at == templates_.end() ? nullptr : at->second.lock();
}

std::shared_ptr<exec::Template> Engines::keep(const std::string& key, ModulePlan plan,
                                              const std::filesystem::path& interpreter) {
  WasmTemplate::Parts parts{.compiled = compiled_path(key),
                            .code = interpreter,
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

}  // namespace canopy::wasm
