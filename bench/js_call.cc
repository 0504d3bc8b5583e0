// What a call of a JavaScript function in a fresh instance costs inside the process.
//
//   js_call call COUNT          `async (a, b) => a + b`, JSON in and out: {"row": "call", "p50_us": …}
//   js_call run FILE INPUT N    the function in FILE with INPUT, N times: {"row": "run", "p50_us": …}
//   js_call prepare COUNT       what a version costs to make ready: {"row": "prepare", "p50_ms": …}
//
// A call is a whole exec::Instance: limits, deadline, guest state, log, usage metering, a coroutine, and the
// drop of all of it.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <unistd.h>

#include "base/sha256.h"
#include "guest/host.h"
#include "js/language.h"
#include "wasm/engines.h"
#include "wasm/language.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

constexpr std::string_view add_source = "async (a, b) => a + b";
constexpr int warm_count = 200;

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "js_call: %s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

wasm::Host make_host() {
  wasm::Host host = guest::make_host({});
  host.language_imports = js::make_imports();
  return host;
}

// A folder for code, a core, and the runtime of JavaScript over it.
class Bed {
 public:
  Bed() {
    std::string name = (fs::temp_directory_path() / "canopy-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) die("no temporary folder");
    folder_ = name;
    wasm::RuntimeOptions options;
    options.pool.instances_max = 64;
    options.compile.code_folder = folder_;
    options.compiled_folder = folder_ / "compiled";
    options.code_path = [this](std::string_view digest) -> Result<fs::path> { return folder_ / digest; };
    auto engines = wasm::Engines::make(options, {&core_}, make_host(), pool_);
    if (!engines) die(engines.error().message);
    runtime_ = wasm::make_language_runtime(js::make_language(), *std::move(engines));
  }
  ~Bed() {
    runtime_.reset();
    fs::remove_all(folder_);
  }
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  exec::Core& core() { return core_; }

  Function function(std::string_view source) {
    Function made;
    made.name = {"bench", "js"};
    made.runtime = js::runtime_name;
    made.digest = sha256_hex(source);
    made.limits.timeout = std::chrono::minutes(5);
    std::ofstream(folder_ / made.digest, std::ios::binary) << source;
    return made;
  }

  std::shared_ptr<exec::Template> prepare(const Function& function) {
    auto made = runtime_->prepare(function);
    if (!made) die(made.error().message);
    return *std::move(made);
  }

 private:
  fs::path folder_;
  exec::Core core_{0, system_clock()};
  net::BlockingPool pool_{1, 64};
  std::unique_ptr<exec::Runtime> runtime_;
};

net::Task<std::vector<double>> run_calls(const Function& function, exec::Template& from, exec::Core& core,
                                         std::string_view input, int count) {
  IdSource ids;
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const Time before = core.clock().now();
    CallLog log(function.limits.log_bytes);
    Call call;
    call.id = ids.next();
    call.function = &function;
    call.queued = before;
    call.deadline = call.queued + function.limits.timeout;
    call.input = input;
    call.log = &log;
    {
      const auto instance = from.start(core);
      const Reply reply = co_await instance->run(call);
      if (reply.error) die(reply.error->message);
      if (i == 0) std::fprintf(stderr, "answer: %.80s\n", reply.output.c_str());
    }
    times.push_back(static_cast<double>((core.clock().now() - before).count()) / 1000.0);
  }
  co_return times;
}

std::vector<double> drive(Bed& bed, const Function& function, exec::Template& from, std::string_view input,
                          int count) {
  std::vector<double> result;
  bool done = false;
  net::asio::co_spawn(bed.core().io(), run_calls(function, from, bed.core(), input, count),
                      [&](const std::exception_ptr&, std::vector<double> times) {
                        result = std::move(times);
                        done = true;
                      });
  bed.core().io().restart();
  while (!done) bed.core().io().run_one();
  return result;
}

double at(std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)];
}

void measure(const char* row, std::string_view source, std::string_view input, int warm, int count) {
  Bed bed;
  const Function function = bed.function(source);
  const auto made = bed.prepare(function);
  drive(bed, function, *made, input, warm);
  std::vector<double> times = drive(bed, function, *made, input, count);
  std::sort(times.begin(), times.end());
  std::printf(
      "{\"row\": \"%s\", \"p50_us\": %.2f, \"p99_us\": %.2f, \"min_us\": %.2f, \"image_bytes\": %llu}\n", row,
      at(times, 0.5), at(times, 0.99), times.front(),
      static_cast<unsigned long long>(made->resident_bytes()));
}

void prepare(int count) {
  Bed bed;
  bed.prepare(bed.function(add_source));  // Compiles the interpreter.
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const Function function = bed.function("async (a, b) => a + b + " + std::to_string(i));
    const Time before = system_clock().now();
    bed.prepare(function);
    times.push_back(static_cast<double>((system_clock().now() - before).count()) / 1e6);
  }
  std::sort(times.begin(), times.end());
  std::printf("{\"row\": \"prepare\", \"p50_ms\": %.2f, \"max_ms\": %.2f}\n", at(times, 0.5), times.back());
}

}  // namespace

int main(int count, char** arguments) {
  if (wasm::is_compile_child(count, arguments)) {
    return wasm::compile_child(count, arguments, [](const auto& /*folder*/) { return make_host(); });
  }
  const std::string_view verb = count > 1 ? arguments[1] : "";
  if (verb == "call" && count == 3) {
    measure("call", add_source, "[2,3]", warm_count, std::atoi(arguments[2]));
  } else if (verb == "run" && count == 5) {
    std::ifstream file(arguments[2]);
    const std::string source(std::istreambuf_iterator<char>(file), {});
    measure("run", source, arguments[3], 1, std::atoi(arguments[4]));
  } else if (verb == "prepare" && count == 3) {
    prepare(std::atoi(arguments[2]));
  } else {
    die("say call COUNT, run FILE INPUT COUNT, or prepare COUNT");
  }
  return 0;
}
