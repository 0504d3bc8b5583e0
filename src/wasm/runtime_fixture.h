#pragma once
// For tests of the WebAssembly runtime end to end, on modules written as text, with the compile child being
// the test program.

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "wasm/compile.h"
#include "wasm/runtime.h"
#include "wasm/test_host.h"

namespace canopy::wasm {

// What a module that function() makes may import.
inline constexpr std::string_view test_imports = R"(
  (import "test" "input_size" (func $input_size (result i32)))
  (import "test" "output" (func $output (param i32 i32)))
  (import "test" "log" (func $log (param i32 i32)))
  (import "test" "exit" (func $exit (param i32)))
  (import "test" "fail" (func $fail))
  (import "test" "sleep_ms" (func $sleep_ms (param i32) (result i32)))
  (import "test" "now" (func $now (result i64)))
)";

// A core on a fake clock, driven by the test; the pool and the compiler are real.
class WasmRuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("canopy-wasm-test-" + std::to_string(getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    RuntimeOptions options;
    options.pool.instances_max = instances_max_;
    options.compile.code_folder = folder_;
    options.compile.timeout = std::chrono::seconds(60);
    options.compiled_folder = folder_ / "compiled";
    options.code_path = [this](std::string_view digest) -> Result<std::filesystem::path> {
      return folder_ / digest;
    };
    auto runtime = make_runtime(options, {&core_}, make_test_host(), pool_);
    ASSERT_TRUE(runtime) << runtime.error().message;
    runtime_ = *std::move(runtime);
  }

  void TearDown() override {
    runtime_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Stores `wat` as the code of a function.
  Function function(const std::string& wat) {
    ByteVec wasm;
    const std::string module = "(module " + std::string(test_imports) + wat + ")";
    const ErrorHandle error(wasmtime_wat2wasm(module.data(), module.size(), wasm.get()));
    EXPECT_FALSE(error) << message(*error);
    Function made;
    made.digest = "code" + std::to_string(++count_);
    std::ofstream(folder_ / made.digest, std::ios::binary) << wasm.view();
    return made;
  }

  std::shared_ptr<exec::Template> prepare(const Function& function) {
    auto made = runtime_->prepare(function);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
  }

  struct Run {
    Call call;
    CallLog log{1000};
    std::unique_ptr<exec::Instance> instance;
    std::optional<Reply> reply;
  };

  void start(Run& run, const Function& function, const std::shared_ptr<exec::Template>& from) {
    run.call.function = &function;
    run.call.log = &run.log;
    run.call.queued = clock_.now();
    if (run.call.deadline == never) run.call.deadline = clock_.now() + std::chrono::seconds(10);
    run.instance = from->start(core_);
    net::asio::co_spawn(core_.io(), run.instance->run(run.call),
                        [&run](const std::exception_ptr&, Reply reply) { run.reply = std::move(reply); });
  }

  // Until the reply is there. The module is loaded by a thread of the pool, so polling alone could be too
  // fast.
  void finish(Run& run) {
    const Time end = system_clock().now() + std::chrono::seconds(30);
    while (!run.reply && system_clock().now() < end) {
      if (core_.poll(100) == 0) core_.io().run_one_for(std::chrono::milliseconds(1));
    }
    ASSERT_TRUE(run.reply) << "no reply within 30 s";
    core_.poll(10);  // To the end of the round, when the store is dropped.
  }

  Reply call(const Function& function, const std::string& input = "") {
    const auto made = prepare(function);
    if (!made) return {};
    Run run;
    run.call.input = input;
    start(run, function, made);
    finish(run);
    last_log_ = run.log.text();
    return *std::move(run.reply);
  }

  std::uint32_t instances_max_ = 16;
  std::filesystem::path folder_;
  FakeClock clock_;
  exec::Core core_{0, clock_};
  net::BlockingPool pool_{1, 16};
  std::unique_ptr<exec::Runtime> runtime_;
  std::string last_log_;
  int count_ = 0;
};

}  // namespace canopy::wasm
