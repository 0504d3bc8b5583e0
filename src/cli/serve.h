#pragma once
// A whole server in this process: options and clock in, an api::Server with all its runtimes out. The one
// place that knows every room.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/server.h"
#include "balance/code_cache.h"
#include "base/clock.h"
#include "base/error.h"
#include "exec/core.h"
#include "exec/runtime.h"
#include "guest/host.h"
#include "net/blocking_pool.h"
#include "options/node_options.h"
#include "options/options.h"
#include "wasm/host.h"
#include "wire/node_frames.h"

namespace canopy::cli {

//   and what api::Server::start() says
Result<std::unique_ptr<api::Server>> start_server(const Options& options, const std::string& version,
                                                  const Clock& clock);

// The runtimes of a worker process on its one core: main hands it over.
Result<exec::Runtimes> make_worker_runtimes(const wire::WorkerSetup& setup, exec::Core& core,
                                            net::BlockingPool& disk);

// The runtimes of a node on `cores`: those that can run on this machine, made ready, so that no first call
// waits for an interpreter to be compiled.
Result<exec::Runtimes> make_node_runtimes(const NodeSettings& settings, const std::vector<exec::Core*>& cores,
                                          net::BlockingPool& disk, balance::CodeCache& code);

// What guests may import while the compile child prepares them: main hands it over.
wasm::Host make_preparing_host(const std::filesystem::path& code_folder);

// All that guests may import, those in a language too.
wasm::Host make_language_host(guest::GuestOptions options);

// What to set where the kernel's `map_count_max` has no room for so many instances, in one sentence.
std::optional<std::string> check_map_count(std::uint64_t instances, std::uint64_t map_count_max);
// vm.max_map_count of this machine; nothing where it cannot be read.
std::optional<std::uint64_t> read_map_count_max();

// Makes this process a server: it may open as many files as it is allowed to, and large blocks of memory go
// back to the kernel as soon as they are freed. Before the first thread.
void prepare_process();

}  // namespace canopy::cli
