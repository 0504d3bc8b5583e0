// What a call in a fresh instance costs inside the process, next to the engine's own floor.
//
//   cold_call compare            both, in alternating rounds: {"row": …, "floor_us": …, "canopy_us": …} a
//   line cold_call rate THREADS SECONDS   calls per second of so many cores, each with its own engine
//   cold_call memory COUNT       resident memory that one warm function adds beyond its module
//
// The floor is the same module in the same pool through the C API alone, as a careful embedder would write
// it: a store, its epoch deadline, instantiate on a fiber, look up the export, call it, drop all. Canopy's
// side is a whole exec::Instance: limits, deadline, guest state with WASI, log, usage metering, a coroutine.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <unistd.h>

#include "guest/host.h"
#include "wasm/core_engine.h"
#include "wasm/runtime.h"
#include "wasm/template.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

constexpr int rounds = 15;
constexpr int calls_per_round = 2000;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "cold_call: %s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

// A folder for code, one core or several, a runtime over them.
class Bed {
 public:
  explicit Bed(std::size_t core_count) {
    std::string name = (fs::temp_directory_path() / "canopy-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) die("no temporary folder");
    folder_ = name;
    wasm::RuntimeOptions options;
    options.pool.instances_max = 512;
    options.compile.code_folder = folder_;
    options.compiled_folder = folder_ / "compiled";
    options.code_path = [this](std::string_view digest) -> Result<fs::path> { return folder_ / digest; };
    std::vector<exec::Core*> cores;
    for (std::size_t i = 0; i < core_count; ++i) {
      cores_.push_back(std::make_unique<exec::Core>(i, system_clock()));
      cores.push_back(cores_.back().get());
    }
    auto made = wasm::make_runtime(options, cores, guest::make_host({}), pool_);
    if (!made) die(made.error().message);
    runtime_ = *std::move(made);
  }
  ~Bed() {
    runtime_.reset();
    fs::remove_all(folder_);
  }
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  exec::Core& core(std::size_t index) { return *cores_.at(index); }

  Function function(const std::string& name, const std::string& wat) {
    wasm::ByteVec bytes;
    if (const wasm::ErrorHandle error{wasmtime_wat2wasm(wat.data(), wat.size(), bytes.get())}) {
      die(wasm::message(*error));
    }
    std::ofstream(folder_ / name, std::ios::binary) << bytes.view();
    Function made;
    made.name = {"bench", name};
    made.digest = name;
    return made;
  }

  std::shared_ptr<exec::Template> prepare(const Function& function) {
    auto made = runtime_->prepare(function);
    if (!made) die(made.error().message);
    return *std::move(made);
  }

 private:
  fs::path folder_;
  std::vector<std::unique_ptr<exec::Core>> cores_;
  net::BlockingPool pool_{1, 64};
  std::unique_ptr<exec::Runtime> runtime_;
};

std::string noop_module() {
  return "(module (memory (export \"memory\") 2) (data (i32.const 1024) \"" + std::string(2000, 'x') +
         "\") (func (export \"canopy_handle\") (i32.store (i32.const 2048) (i32.const 7))))";
}

// One MiB of image; a call dirties 16 pages of 4 KiB, far from each other.
std::string image_module() {
  std::string writes;
  for (int i = 0; i < 16; ++i) {
    writes += "(i32.store (i32.const " + std::to_string(i * 61440 + 64) + ") (i32.const 7))";
  }
  return "(module (memory (export \"memory\") 20) (data (i32.const 0) \"" + std::string(1 << 20, 'x') +
         "\") (func (export \"canopy_handle\") " + writes + "))";
}

// Runs calls one after the other until `more` says no; returns how many.
net::Task<std::uint64_t> run_calls(const Function& function, exec::Template& from, exec::Core& core,
                                   const std::function<bool(std::uint64_t)>& more) {
  IdSource ids;
  std::uint64_t count = 0;
  for (; more(count); ++count) {
    CallLog log(function.limits.log_bytes);
    Call call;
    call.id = ids.next();
    call.function = &function;
    call.queued = core.clock().now();
    call.deadline = call.queued + function.limits.timeout;
    call.log = &log;
    const auto instance = from.start(core);
    const Reply reply = co_await instance->run(call);
    if (reply.error) die(reply.error->message);
  }
  co_return count;
}

std::uint64_t drive(exec::Core& core, const Function& function, exec::Template& from,
                    const std::function<bool(std::uint64_t)>& more) {
  std::uint64_t result = 0;
  bool done = false;
  net::asio::co_spawn(core.io(), run_calls(function, from, core, more),
                      [&](const std::exception_ptr&, std::uint64_t count) {
                        result = count;
                        done = true;
                      });
  core.io().restart();
  while (!done) core.io().run_one();
  return result;
}

double microseconds_each(Time from, Time to, int count) {
  return static_cast<double>((to - from).count()) / 1000.0 / count;
}

double canopy_round(Bed& bed, const Function& function, exec::Template& from) {
  const Time before = system_clock().now();
  drive(bed.core(0), function, from, [](std::uint64_t count) { return count < calls_per_round; });
  return microseconds_each(before, system_clock().now(), calls_per_round);
}

void floor_call(wasm_engine_t* engine, const wasmtime_instance_pre_t* pre) {
  constexpr std::string_view entry = "canopy_handle";
  wasmtime_store_t* const store = wasmtime_store_new(engine, nullptr, nullptr);
  wasmtime_context_t* const context = wasmtime_store_context(store);
  wasmtime_context_set_epoch_deadline(context, 10);
  wasmtime_context_epoch_deadline_async_yield_and_update(context, 1);
  wasm_trap_t* trap = nullptr;
  wasmtime_error_t* error = nullptr;
  wasmtime_instance_t instance;
  auto* future = wasmtime_instance_pre_instantiate_async(pre, context, &instance, &trap, &error);
  while (!wasmtime_call_future_poll(future)) continue;
  wasmtime_call_future_delete(future);
  wasmtime_extern_t found;
  wasmtime_instance_export_get(context, &instance, entry.data(), entry.size(), &found);
  future = wasmtime_func_call_async(context, &found.of.func, nullptr, 0, nullptr, 0, &trap, &error);
  while (!wasmtime_call_future_poll(future)) continue;
  wasmtime_call_future_delete(future);
  if (trap != nullptr || error != nullptr) die("the floor's call failed");
  wasmtime_store_delete(store);
}

double floor_round(wasm_engine_t* engine, const wasmtime_instance_pre_t* pre) {
  const Time before = system_clock().now();
  for (int i = 0; i < calls_per_round; ++i) floor_call(engine, pre);
  return microseconds_each(before, system_clock().now(), calls_per_round);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const std::string& row, const std::string& wat) {
  Bed bed(1);
  const Function function = bed.function(row, wat);
  const auto made = bed.prepare(function);
  drive(bed.core(0), function, *made, [](std::uint64_t count) { return count < 1; });
  auto& ready = static_cast<wasm::WasmTemplate&>(*made);
  wasm_engine_t* const engine = &ready.engine(bed.core(0)).engine();
  const wasmtime_instance_pre_t* const pre = ready.loaded(bed.core(0))->pre.get();
  std::vector<double> floors;
  std::vector<double> ours;
  std::vector<double> ratios;
  for (int i = 0; i < rounds; ++i) {
    floors.push_back(floor_round(engine, pre));
    ours.push_back(canopy_round(bed, function, *made));
    ratios.push_back(ours.back() / floors.back());
  }
  std::printf("{\"row\": \"%s\", \"floor_us\": %.3f, \"canopy_us\": %.3f, \"ratio\": %.3f}\n", row.c_str(),
              median(floors), median(ours), median(ratios));
}

void rate(std::size_t thread_count, double seconds) {
  Bed bed(thread_count);
  const Function function = bed.function("noop", noop_module());
  const auto made = bed.prepare(function);
  std::atomic<std::uint64_t> total{0};
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < thread_count; ++i) {
      threads.emplace_back([&, i] {
        exec::Core& core = bed.core(i);
        drive(core, function, *made, [](std::uint64_t count) { return count < 200; });
        const Time end = core.clock().now() + Duration(static_cast<Duration::rep>(seconds * 1e9));
        total += drive(core, function, *made,
                       [&](std::uint64_t count) { return count % 64 != 0 || core.clock().now() < end; });
      });
    }
  }
  std::printf("{\"row\": \"rate\", \"threads\": %zu, \"calls_per_second\": %.0f}\n", thread_count,
              static_cast<double>(total.load()) / seconds);
}

std::uint64_t resident_private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * KiB;
  }
  return 0;
}

void memory(int count) {
  Bed bed(1);
  std::vector<Function> functions;
  std::vector<std::shared_ptr<exec::Template>> ready;
  functions.reserve(static_cast<std::size_t>(count) + 1);
  std::uint64_t before = 0;
  for (int i = 0; i <= count; ++i) {
    std::string wat = noop_module();
    wat.replace(wat.find("i32.const 7"), 11, "i32.const " + std::to_string(1000 + i));
    functions.push_back(bed.function("f" + std::to_string(i), wat));
    ready.push_back(bed.prepare(functions.back()));
    drive(bed.core(0), functions.back(), *ready.back(), [](std::uint64_t done) { return done < 1; });
    if (i == 0) before = resident_private_bytes();  // The first pays for what all share.
  }
  std::printf("{\"row\": \"memory\", \"functions\": %d, \"bytes_each\": %.0f}\n", count,
              static_cast<double>(resident_private_bytes() - before) / count);
}

}  // namespace

int main(int count, char** arguments) {
  if (wasm::is_compile_child(count, arguments)) {
    return wasm::compile_child(count, arguments, [](const auto& /*folder*/) { return guest::make_host({}); });
  }
  const std::string_view verb = count > 1 ? arguments[1] : "";
  if (verb == "compare") {
    compare("noop", noop_module());
    compare("image", image_module());
  } else if (verb == "rate" && count == 4) {
    rate(std::strtoul(arguments[2], nullptr, 10), std::strtod(arguments[3], nullptr));
  } else if (verb == "memory" && count == 3) {
    memory(static_cast<int>(std::strtol(arguments[2], nullptr, 10)));
  } else {
    die("say compare, rate THREADS SECONDS, or memory COUNT");
  }
  return 0;
}
