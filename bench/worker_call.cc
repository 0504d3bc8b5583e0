// What a call costs in a worker process, next to the same call in this one.
//
//   worker_call compare     one at a time and many at once, here and there, in alternating rounds: a JSON
//   line each worker_call run SECONDS N   N at a time in two workers for so long; how many ended, and how
//   many were lost
//
// Between them lies all that is real: frames over a socket pair, the choice of a worker, its process with the
// filter on its system calls. HTTP does not.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <unistd.h>

#include "base/log.h"
#include "guest/host.h"
#include "wasm/runtime.h"
#include "worker/child.h"
#include "worker/fleet.h"
#include "worker/remote.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

constexpr int rounds = 7;
constexpr std::uint64_t calls_per_round = 4000;
constexpr int many = 64;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "worker_call: %s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

Result<std::unique_ptr<exec::Runtime>> make_runtime(const fs::path& folder, exec::Core& core,
                                                    net::BlockingPool& disk) {
  wasm::RuntimeOptions options;
  options.pool.instances_max = 512;
  options.compile.code_folder = folder;
  options.compiled_folder = folder / "compiled";
  options.code_path = [folder](std::string_view digest) -> Result<fs::path> { return folder / digest; };
  return wasm::make_runtime(options, {&core}, guest::make_host({}), disk);
}

Result<exec::Runtimes> make_worker_runtimes(const wire::WorkerSetup& setup, exec::Core& core,
                                            net::BlockingPool& disk) {
  CANOPY_TRY(auto runtime, make_runtime(setup.data, core, disk));
  exec::Runtimes runtimes;
  runtimes.emplace("wasm", std::move(runtime));
  return runtimes;
}

struct Tally {
  std::uint64_t begun = 0;
  std::uint64_t ended = 0;
  std::uint64_t lost = 0;
  int running = 0;
};

// One after the other until `more` says no.
net::Task<void> run_calls(const Function& function, exec::Template& from, exec::Core& core, Tally& tally,
                          std::function<bool(const Tally&)> more) {
  IdSource ids;
  while (more(tally)) {
    ++tally.begun;
    CallLog log(function.limits.log_bytes);
    Call call;
    call.id = ids.next();
    call.function = &function;
    call.queued = core.clock().now();
    call.deadline = call.queued + function.limits.timeout;
    call.log = &log;
    const auto instance = from.start(core);
    const Reply reply = co_await instance->run(call);
    if (reply.error && !reply.lost) die(reply.error->message);
    if (reply.lost && tally.lost++ == 0) std::fprintf(stderr, "%s\n", reply.error->message.c_str());
    ++tally.ended;
  }
  --tally.running;
}

// In a folder of its own, with one core.
class Bed {
 public:
  Bed() {
    std::string name = (fs::temp_directory_path() / "canopy-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) die("no temporary folder");
    folder_ = name;
    std::ofstream(folder_ / "noop", std::ios::binary) << std::string_view(
        "\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\5\3\1\0\2\7\x1a\2\6memory\2\0\x0d"
        "canopy_handle\0\0\x0a\4\1\2\0\x0b",
        57);
    function_.name = {"bench", "noop"};
    function_.digest = "noop";
    local_ = make();
  }
  ~Bed() {
    templates_.clear();
    remotes_.clear();
    fleets_.clear();
    local_.reset();
    fs::remove_all(folder_);
  }
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  exec::Template& here() { return keep(local_->prepare(function_)); }
  exec::Template& there(std::uint32_t count) {
    worker::FleetOptions options;
    options.worker_count = count;
    options.slots = 256;
    options.setup = {.data = folder_.string(),
                     .instances_max = 256,
                     .slots = 256,
                     .slice = std::chrono::milliseconds(1),
                     .templates_bytes_max = GiB,
                     .log_level = "error"};
    options.crew = {.running_max = 1000, .waiting_max = 1000};
    fleets_.push_back(std::make_unique<worker::Fleet>(std::move(options), std::vector{&core_},
                                                      worker::make_process_launcher(), system_clock()));
    if (const auto started = fleets_.back()->start(); !started) die(started.error().message);
    remotes_.push_back(worker::make_remote_runtime(make(), fleets_.back()->crews()));
    return keep(remotes_.back()->prepare(function_));
  }

  Tally drive(exec::Template& from, int at_once, const std::function<bool(const Tally&)>& more) {
    Tally tally;
    tally.running = at_once;
    for (int i = 0; i < at_once; ++i) {
      net::asio::co_spawn(core_.io(), run_calls(function_, from, core_, tally, more), net::asio::detached);
    }
    core_.io().restart();
    while (tally.running > 0) core_.io().run_one();
    return tally;
  }

 private:
  std::unique_ptr<exec::Runtime> make() {
    auto made = make_runtime(folder_, core_, disk_);
    if (!made) die(made.error().message);
    return *std::move(made);
  }
  exec::Template& keep(Result<std::shared_ptr<exec::Template>> made) {
    if (!made) die(made.error().message);
    templates_.push_back(*std::move(made));
    return *templates_.back();
  }

  fs::path folder_;
  Function function_;
  exec::Core core_{0, system_clock()};
  net::BlockingPool disk_{1, 64};
  std::unique_ptr<exec::Runtime> local_;
  std::vector<std::unique_ptr<worker::Fleet>> fleets_;
  std::vector<std::unique_ptr<exec::Runtime>> remotes_;
  std::vector<std::shared_ptr<exec::Template>> templates_;
};

double round_us(Bed& bed, exec::Template& from, int at_once) {
  const Time before = system_clock().now();
  bed.drive(from, at_once, [](const Tally& tally) { return tally.begun < calls_per_round; });
  return static_cast<double>((system_clock().now() - before).count()) / 1000.0 / calls_per_round;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void compare() {
  Bed bed;
  struct Row {
    const char* name;
    exec::Template* from;
    int at_once;
    std::vector<double> us{};
  };
  exec::Template& here = bed.here();
  exec::Template& one = bed.there(1);
  exec::Template& two = bed.there(2);
  std::vector<Row> rows = {
      {"here", &here, 1},          {"one worker, alone", &one, 1},   {"two workers, alone", &two, 1},
      {"here, many", &here, many}, {"one worker, many", &one, many}, {"two workers, many", &two, many}};
  for (int i = 0; i < rounds; ++i) {
    for (Row& row : rows) row.us.push_back(round_us(bed, *row.from, row.at_once));
  }
  for (const Row& row : rows) {
    std::printf("{\"row\": \"%s\", \"us\": %.2f, \"per_second\": %.0f}\n", row.name, median(row.us),
                1e6 / median(row.us));
  }
}

void run(double seconds, int at_once) {
  Bed bed;
  exec::Template& there = bed.there(2);
  const Time end = system_clock().now() + Duration(static_cast<Duration::rep>(seconds * 1e9));
  const Tally tally = bed.drive(there, at_once, [end](const Tally&) { return system_clock().now() < end; });
  std::printf("{\"row\": \"run\", \"ended\": %llu, \"lost\": %llu, \"per_second\": %.0f}\n",
              static_cast<unsigned long long>(tally.ended), static_cast<unsigned long long>(tally.lost),
              static_cast<double>(tally.ended) / seconds);
}

}  // namespace

int main(int count, char** arguments) {
  if (wasm::is_compile_child(count, arguments)) {
    return wasm::compile_child(count, arguments, [](const auto& /*folder*/) { return guest::make_host({}); });
  }
  if (worker::is_worker_child(count, arguments)) {
    return worker::worker_child(count, arguments, make_worker_runtimes, system_clock());
  }
  start_log("error");
  const std::string_view verb = count > 1 ? arguments[1] : "";
  if (verb == "compare") {
    compare();
  } else if (verb == "run" && count == 4) {
    run(std::strtod(arguments[2], nullptr), static_cast<int>(std::strtol(arguments[3], nullptr, 10)));
  } else {
    die("say compare, or run SECONDS N");
  }
  return 0;
}
