#include "cli/serve.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include <malloc.h>
#include <sys/resource.h>

#include "js/language.h"
#include "mucpd/mucpd.h"
#include "wasm/engines.h"

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

Result<api::Runtimes> make_runtimes(const api::RuntimeParts& parts) {
  const Options& options = parts.options;
  std::error_code error;
  const fs::path data = fs::absolute(options.data, error);
  store::Catalog& catalog = parts.catalog;
  const auto find_code = [&catalog](std::string_view digest) { return catalog.code_path(digest); };

  wasm::RuntimeOptions made;
  const std::uint64_t per_core = options.instances_max / std::max<std::size_t>(parts.cores.size(), 1);
  made.pool.instances_max =
      static_cast<std::uint32_t>(std::clamp<std::uint64_t>(per_core, 1, instances_per_core_max));
  made.compile.code_folder = data / "code";
  made.compile.timeout = options.compile_timeout;
  made.compile.memory_bytes = options.compile_memory_bytes;
  made.slice = options.slice;
  made.compiled_folder = data / "compiled";
  made.code_path = find_code;
  guest::GuestOptions guest;
  guest.load_file = guest::make_file_loader(find_code);
  js::FetchOptions fetch;
  fetch.allow_private = options.fetch_private;
  guest.make_extension = js::make_extension(std::make_shared<js::Fetcher>(fetch));
  CANOPY_TRY(const auto engines, wasm::Engines::make(std::move(made), parts.cores,
                                                     make_language_host(std::move(guest)), parts.disk));
  api::Runtimes runtimes;
  runtimes.emplace("wasm", wasm::make_module_runtime(engines));
  runtimes.emplace(js::runtime_name, wasm::make_language_runtime(js::make_language(), engines));
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
  return api::Server::start(std::move(parts), clock);
}

wasm::Host make_preparing_host(const fs::path& code_folder) {
  guest::GuestOptions options;
  options.load_file = guest::make_file_loader([code_folder](std::string_view digest) -> Result<fs::path> {
    return code_folder / digest.substr(0, 2) / digest;  // As the catalog lays it out.
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
