#include "cli/serve.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sha256.h"
#include "builders/builders.h"
#include "cli/cluster.h"
#include "container/runtime.h"
#include "foreign/runtime.h"
#include "hyperfaas/hyperfaas.h"
#include "js/language.h"
#include "mucpd/mucpd.h"
#include "python/runtime.h"
#include "wasm/engines.h"
#include "worker/fleet.h"
#include "worker/remote.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

// A sanitizer leaves a program little of the address space in which memories are reserved.
#if __has_feature(thread_sanitizer)
constexpr std::uint64_t instances_per_core_max = 64;
#elif __has_feature(address_sanitizer)
constexpr std::uint64_t instances_per_core_max = 2048;
#else
constexpr std::uint64_t instances_per_core_max = 1'000'000;
#endif

constexpr int large_block_bytes = 256 * 1024;

using FindCode = std::function<Result<fs::path>(std::string_view digest)>;

// What the runtimes of a process stand on.
struct Ground {
  fs::path data;
  FindCode find_code;
  std::uint64_t instances_per_core = 1;
  Duration slice{};
  bool fetch_private = false;
  wasm::CompileOptions compile;
};

Result<exec::Runtimes> make_runtimes_on(const Ground& ground, const std::vector<exec::Core*>& cores,
                                        net::BlockingPool& disk) {
  wasm::RuntimeOptions made;
  made.pool.instances_max = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(ground.instances_per_core, 1, instances_per_core_max));
  made.compile = ground.compile;
  made.compile.code_folder = ground.data / "code";
  made.slice = ground.slice;
  made.compiled_folder = ground.data / "compiled";
  made.code_path = ground.find_code;
  guest::GuestOptions guest;
  guest.load_file = guest::make_file_loader(ground.find_code);
  js::FetchOptions fetch;
  fetch.allow_private = ground.fetch_private;
  guest.make_extension = js::make_extension(std::make_shared<js::Fetcher>(fetch));
  CANOPY_TRY(const auto engines,
             wasm::Engines::make(std::move(made), cores, make_language_host(std::move(guest)), disk));
  exec::Runtimes runtimes;
  runtimes.emplace("wasm", wasm::make_module_runtime(engines));
  runtimes.emplace(js::runtime_name, wasm::make_language_runtime(js::make_language(), engines));
  return runtimes;
}

fs::path stored_code(const fs::path& code_folder, std::string_view digest) {
  return code_folder / digest.substr(0, 2) / digest;  // As the catalog lays it out.
}

Result<std::shared_ptr<worker::Fleet>> start_fleet(const api::RuntimeParts& parts, const fs::path& data,
                                                   const WorkerRange& range) {
  const Options& options = parts.options;
  const std::size_t core_count = parts.cores.size();
  const auto share = [core_count](std::uint64_t all) {
    return std::max<std::uint64_t>((all + core_count - 1) / core_count, 1);
  };
  // Workers are given these to see, and nothing beside them.
  std::error_code error;
  for (const char* const name : {"code", "compiled"}) {
    fs::create_directories(data / name, error);
    if (error)
      return fail(Code::unavailable, "cannot make " + (data / name).string() + ": " + error.message());
  }
  worker::FleetOptions made;
  made.worker_count = range.min;
  made.slots = static_cast<std::uint32_t>(options.worker_slots);
  made.silence_max = options.worker_silence;
  made.crew = {.running_max = share(options.instances_max), .waiting_max = share(options.queue_max)};
  CANOPY_TRY(made.crew.placement, policy::parse_placement(options.placement));
  made.setup.data = data.string();
  made.setup.slots = static_cast<std::uint32_t>(share(options.worker_slots));
  made.setup.instances_max = made.setup.slots * core_count;
  made.setup.slice = options.slice;
  made.setup.templates_bytes_max = options.templates_bytes_max / range.max;
  made.setup.fetch_private = options.fetch_private;
  made.setup.log_level = options.log_level;
  auto fleet = std::make_shared<worker::Fleet>(std::move(made), parts.cores, worker::make_process_launcher(),
                                               parts.clock);
  CANOPY_TRY_VOID(fleet->start());
  return fleet;
}

// Whether one of them is, or holds, the other.
bool holds(const fs::path& outer, const fs::path& inner) {
  return std::ranges::mismatch(outer, inner).in1 == outer.end();
}

// The folders that PYTHONPATH would name so. None of them may show functions what the server keeps.
Result<std::vector<fs::path>> find_python_path(std::string_view text, const fs::path& data) {
  std::vector<fs::path> folders;
  std::error_code error;
  const fs::path kept = fs::weakly_canonical(data, error);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(':'), text.size());
    const fs::path name = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (name.empty()) continue;
    const fs::path folder = fs::canonical(name, error);
    if (error || !fs::is_directory(folder, error)) {
      return fail(Code::invalid, "--python-path names " + name.string() + ", and there is no such folder");
    }
    if (holds(folder, kept) || holds(kept, folder)) {
      return fail(Code::invalid, "--python-path names " + folder.string() +
                                     ", where functions would see the server's own data in " + kept.string() +
                                     "; name another folder, or keep the data elsewhere with --data");
    }
    folders.push_back(folder);
  }
  return folders;
}

// `name` is a path, or one that is looked for in PATH.
bool is_program(const std::string& name) {
  const auto runs = [](const fs::path& file) {
    std::error_code error;
    return fs::is_regular_file(file, error) && access(file.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return runs(name);
  const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody changes it
  std::string_view folders = path == nullptr ? std::string_view() : path;
  while (!folders.empty()) {
    const std::size_t end = std::min(folders.find(':'), folders.size());
    if (runs(fs::path(folders.substr(0, end)) / name)) return true;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return false;
}

// `options` are a server's or a node's.
template <class Settings>
container::RuntimeOptions container_options(const Settings& options, const Ground& ground) {
  container::RuntimeOptions made;
  made.folder = ground.data / "containers";
  made.find_code = ground.find_code;
  made.containers_max = options.containers_max;
  const container::EngineChoice choice{
      .name = options.container_engine, .runc = options.runc, .docker_socket = options.docker_socket};
  made.make_engine = [choice, folder = made.folder] { return container::find_engine(choice, folder); };
  return made;
}

Result<exec::Runtimes> make_local_runtimes(const api::RuntimeParts& parts) {
  const Options& options = parts.options;
  std::error_code error;
  auto& catalog = parts.catalog;
  CANOPY_TRY(const WorkerRange range, parse_workers(options.workers));
  const std::size_t core_count = std::max<std::size_t>(parts.cores.size(), 1);
  Ground ground;
  ground.data = fs::absolute(options.data, error);
  ground.find_code = [&catalog](std::string_view digest) { return catalog.code_path(digest); };
  ground.instances_per_core = range.max > 0 ? 1 : options.instances_max / core_count;
  ground.slice = options.slice;
  ground.fetch_private = options.fetch_private;
  ground.compile.timeout = options.compile_timeout;
  ground.compile.memory_bytes = options.compile_memory_bytes;
  CANOPY_TRY(exec::Runtimes runtimes, make_runtimes_on(ground, parts.cores, parts.disk));
  python::RuntimeOptions python_options;
  python_options.folder = ground.data / "python";
  python_options.find_code = ground.find_code;
  python_options.python = options.python;
  python_options.calls_max = options.python_calls;
  python_options.waiting_max = options.queue_max;
  python_options.zygotes_max = options.python_warm;
  python_options.warm_memory_bytes = options.python_warm_memory_bytes;
  python_options.processes = options.python_processes;
  python_options.network = options.python_network;
  python_options.kept_calls = options.python_kept_calls;
  python_options.kept_idle = options.python_kept_idle;
  CANOPY_TRY(python_options.path, find_python_path(options.python_path, ground.data));
  if (options.python != Options().python && options.python != "off" && !is_program(options.python)) {
    log::warn("--python names {}, which is no program: there are no functions in Python here",
              options.python);
  }
  auto python = python::make_runtime(std::move(python_options), parts.cores, parts.disk);
  container::RuntimeOptions container_settings = container_options(options, ground);
  container_settings.unpack.bytes_max = options.image_bytes_max;
  auto container = container::make_runtime(std::move(container_settings), parts.clock);
  if (range.max == 0) {
    runtimes.emplace(python::runtime_name, std::move(python));
    runtimes.emplace(container::runtime_name, std::move(container));
    return runtimes;
  }
  CANOPY_TRY(const auto fleet, start_fleet(parts, ground.data, range));
  parts.fleet = fleet;
  exec::Runtimes remote;
  for (auto& [name, local] : runtimes) {
    remote.emplace(name, worker::make_remote_runtime(std::move(local), fleet->crews()));
  }
  // Its calls have processes of their own as it is.
  remote.emplace(python::runtime_name, std::move(python));
  remote.emplace(container::runtime_name, std::move(container));
  return remote;
}

// Those whose calls may run on other machines of ours, too.
Result<exec::Runtimes> make_own_runtimes(const api::RuntimeParts& parts) {
  CANOPY_TRY(exec::Runtimes local, make_local_runtimes(parts));
  if (parts.options.node_listen.empty()) return local;
  std::error_code error;
  CANOPY_TRY(const auto members, start_members(parts, fs::absolute(parts.options.data, error)));
  parts.cluster = members;
  return dispatch_among(std::move(local), members);
}

Result<exec::Runtimes> make_runtimes(const api::RuntimeParts& parts) {
  CANOPY_TRY(exec::Runtimes runtimes, make_own_runtimes(parts));
  const auto workers = split_addresses(parts.options.hyperfaas_workers);
  if (!workers.empty()) runtimes.emplace(foreign::runtime_name, foreign::make_runtime(workers, parts.clock));
  return runtimes;
}

}  // namespace

Result<std::unique_ptr<api::Server>> start_server(const Options& options, const std::string& version,
                                                  const Clock& clock) {
  api::ServerParts parts;
  parts.options = options;
  parts.program_version = version;
  parts.make_runtimes = make_runtimes;
  if (auto protocol = mucpd::make_protocol(options)) parts.protocols.push_back(std::move(protocol));
  if (auto protocol = builders::make_protocol(options)) parts.protocols.push_back(std::move(protocol));
  for (auto& protocol : hyperfaas::make_protocols(options)) parts.protocols.push_back(std::move(protocol));
  return api::Server::start(std::move(parts), clock);
}

Result<exec::Runtimes> make_worker_runtimes(const wire::WorkerSetup& setup, exec::Core& core,
                                            net::BlockingPool& disk) {
  Ground ground;
  ground.data = setup.data;
  ground.find_code = [folder = ground.data / "code"](std::string_view digest) -> Result<fs::path> {
    return stored_code(folder, digest);
  };
  ground.instances_per_core = setup.instances_max;
  ground.slice = setup.slice;
  ground.fetch_private = setup.fetch_private;
  return make_runtimes_on(ground, {&core}, disk);
}

Result<exec::Runtimes> make_node_runtimes(const NodeSettings& settings, const std::vector<exec::Core*>& cores,
                                          net::BlockingPool& disk, balance::CodeCache& code) {
  std::error_code error;
  Ground ground;
  ground.data = fs::absolute(settings.data, error);
  ground.find_code = [&code](std::string_view digest) { return code.path(digest); };
  ground.instances_per_core = settings.slots;
  ground.slice = settings.slice;
  ground.fetch_private = settings.fetch_private;
  ground.compile.timeout = settings.compile_timeout;
  ground.compile.memory_bytes = settings.compile_memory_bytes;
  CANOPY_TRY(exec::Runtimes runtimes, make_runtimes_on(ground, cores, disk));
  python::RuntimeOptions python_options;
  python_options.folder = ground.data / "python";
  python_options.find_code = ground.find_code;
  python_options.python = settings.python;
  python_options.calls_max = settings.slots;
  CANOPY_TRY(python_options.path, find_python_path(settings.python_path, ground.data));
  auto python = python::make_runtime(std::move(python_options), cores, disk);
  if (python->check({}, "pass\n")) {
    runtimes.emplace(python::runtime_name, std::move(python));
  } else {
    log::info("this machine has no Python that functions can run in, so it takes no calls of them");
  }
  container::RuntimeOptions container_settings = container_options(settings, ground);
  if (const auto engine = container_settings.make_engine()) {
    runtimes.emplace(container::runtime_name,
                     container::make_runtime(std::move(container_settings), system_clock()));
  } else {
    log::info("this machine takes no calls of container functions: {}", engine.error().message);
  }
  Function first;
  const std::string source = "export default () => null;\n";
  first.digest = sha256_hex(source);
  first.code_bytes = source.size();
  first.runtime = js::runtime_name;
  CANOPY_TRY_VOID(code.put(first.digest, source));
  if (const auto made = runtimes.find(js::runtime_name)->second->prepare(first); !made) {
    // A machine that is too busy for it now is none that cannot do it: the first call of such a function
    // tries again.
    if (made.error().code != Code::limit) return tl::unexpected(made.error());
    log::warn("this node is not ready for functions in JavaScript before the first call of one: {}",
              made.error().message);
  }
  return runtimes;
}

wasm::Host make_preparing_host(const fs::path& code_folder) {
  guest::GuestOptions options;
  options.load_file = guest::make_file_loader([code_folder](std::string_view digest) -> Result<fs::path> {
    return stored_code(code_folder, digest);
  });
  return make_language_host(std::move(options));
}

wasm::Host make_language_host(guest::GuestOptions options) {
  wasm::Host host = guest::make_host(std::move(options));
  host.language_imports = js::make_imports();
  return host;
}

std::optional<std::string> check_map_count(std::uint64_t instances, std::uint64_t map_count_max) {
  const std::uint64_t needed = wasm::maps_needed(instances);
  if (needed <= map_count_max) return std::nullopt;
  const std::string wanted = std::to_string(needed);
  return "vm.max_map_count is " + std::to_string(map_count_max) + ", and " + std::to_string(instances) +
         " instances at once may need " + wanted + "; run `sysctl -w vm.max_map_count=" + wanted +
         "`, or lower 'instances'";
}

std::optional<std::uint64_t> read_map_count_max() {
  std::ifstream file("/proc/sys/vm/max_map_count");
  std::uint64_t count = 0;
  if (!(file >> count)) return std::nullopt;
  return count;
}

void prepare_process() {
  // By default the C library stops doing so for sizes it has seen freed, up to 32 MiB: a few large uploads
  // would then stay in its heaps for ever.
  mallopt(M_MMAP_THRESHOLD, large_block_bytes);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace canopy::cli
