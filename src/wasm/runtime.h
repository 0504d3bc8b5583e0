#pragma once
// The WebAssembly runtime: what main and the tests see of this folder.

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "exec/runtime.h"
#include "net/blocking_pool.h"
#include "wasm/compile.h"
#include "wasm/engine.h"

namespace canopy::wasm {

struct RuntimeOptions {
  PoolOptions pool;
  CompileOptions compile;
  Duration slice = std::chrono::milliseconds(1);
  std::filesystem::path compiled_folder;
  std::function<Result<std::filesystem::path>(std::string_view digest)> code_path;
};

class Engines;

// The runtime of modules, on `engines` that other runtimes may share.
std::unique_ptr<exec::Runtime> make_module_runtime(std::shared_ptr<Engines> engines);

// Makes an engine for each of `cores`, for modules alone; the cores need not run yet. `host` is kept; `pool`
// loads modules. Destroy it when the cores have stopped and no instance lives.
Result<std::unique_ptr<exec::Runtime>> make_runtime(RuntimeOptions options,
                                                    const std::vector<exec::Core*>& cores, Host host,
                                                    net::BlockingPool& pool);

}  // namespace canopy::wasm
