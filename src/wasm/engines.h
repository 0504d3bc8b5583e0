#pragma once
// The engines of all cores and what they share: host functions, the clock hand, the folder of compiled code.
// Every runtime of this folder stands on one of these.
//
// Threads: all methods, any thread.
// Life:    destroyed when the cores have stopped and no instance lives.

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "wasm/compiled_files.h"
#include "wasm/core_engine.h"
#include "wasm/runtime.h"
#include "wasm/template.h"
#include "wasm/ticker.h"

namespace canopy::wasm {

class Engines {
 public:
  // Makes an engine for each of `cores`; the cores need not run yet. `pool` loads modules.
  static Result<std::shared_ptr<Engines>> make(RuntimeOptions options, const std::vector<exec::Core*>& cores,
                                               Host host, net::BlockingPool& pool);

  const RuntimeOptions& options() const { return options_; }
  const Host& host() const { return host_; }

  // Where what is made under `key` lies.
  std::filesystem::path compiled_path(const std::string& key) const { return files_.path(key); }
  // What was made under `key`, whole, and safe from sweep() for as long as it takes to use it.
  //   not_found  nothing was, or not all of it is there
  Result<ModulePlan> find_plan(const std::string& key);
  // What is made under `key` stays, whatever sweep() is told.
  void keep_always(const std::string& key);
  // Deletes what was made under other keys than `names`, unless it is in use or was within `age`.
  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age);
  // Where the code of `function` lies.
  //   unavailable  it is lost, or cannot be read
  Result<std::filesystem::path> code_path(const Function& function) const;

  // The one template of `key`, as long as anybody holds it; keep() makes it from `plan`, unless somebody else
  // was as fast. `interpreter` is empty for modules.
  std::shared_ptr<exec::Template> find(const std::string& key);
  std::shared_ptr<exec::Template> keep(const std::string& key, ModulePlan plan,
                                       const std::filesystem::path& interpreter = {});

 private:
  Engines(RuntimeOptions options, Host host, net::BlockingPool& pool);

  const RuntimeOptions options_;
  const Host host_;
  std::vector<Import> all_imports_;
  net::BlockingPool& pool_;
  std::vector<std::unique_ptr<CoreEngine>> engines_;
  std::unique_ptr<Ticker> ticker_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<WasmTemplate>> templates_;  // Guarded by mutex_.
  std::set<std::string> kept_always_;                             // Guarded by mutex_.
  CompiledFiles files_{options_.compiled_folder};
};

}  // namespace canopy::wasm
