#pragma once
// For tests: a runtime of Python functions, and calls of functions whose source a test says.
//
// Threads: one, beside those of the pool.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/sha256.h"
#include "python/runtime.h"

namespace canopy::python {

// One core and one folder for all tests.
class Python : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / ("canopy-python-test-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    core_ = new exec::Core(0, system_clock());
    pool_ = new net::BlockingPool(1, 16);
    runtime_ = make(2).release();
  }

  static void TearDownTestSuite() {
    delete runtime_;
    delete pool_;
    delete core_;
    std::filesystem::remove_all(folder_);
  }

  static std::unique_ptr<exec::Runtime> make(std::uint64_t zygotes_max, RuntimeOptions options = {}) {
    options.folder = folder_ / "python";
    options.find_code = [](std::string_view digest) -> Result<std::filesystem::path> {
      return folder_ / digest;
    };
    options.calls_max = 4;
    options.zygotes_max = zygotes_max;
    options.processes = 8;
    return make_runtime(std::move(options), {core_}, *pool_);
  }

  void SetUp() override {
    const auto found = runtime_->check({}, "def handle(request): pass\n");
    if (!found) GTEST_SKIP() << found.error().message;
  }

  static std::string put(std::string_view content) {
    const std::string digest = sha256_hex(content);
    std::ofstream(folder_ / digest, std::ios::binary) << content;
    return digest;
  }

  static Function function(std::string_view source) {
    Function made;
    made.name = {"test", "python"};
    made.version = 3;
    made.runtime = "python";
    made.digest = put(source);
    made.env = {{"GREETING", "hello"}};
    made.limits.timeout = std::chrono::seconds(60);  // For busy machines.
    return made;
  }

  Reply call(std::string_view source, std::string_view input = "") { return call(function(source), input); }

  Reply call(const Function& made, std::string_view input = "") { return call(*runtime_, made, input); }

  Reply call(exec::Runtime& runtime, const Function& made, std::string_view input = "") {
    const auto ready = runtime.prepare(made);
    EXPECT_TRUE(ready) << ready.error().message;
    return ready ? run(made, **ready, input) : Reply{};
  }

  Reply run(const Function& made, exec::Template& ready, std::string_view input) {
    log_ = CallLog(made.limits.log_bytes);
    Call call;
    call.function = &made;
    call.queued = core_->clock().now();
    call.deadline = call.queued + timeout_.value_or(made.limits.timeout);
    call.path = "/a/b";
    call.query = "name=x%20y&n=1";
    call.headers = {{"X-Test", "value"}};
    call.input = input;
    call.log = &log_;
    auto instance = ready.start(*core_);
    std::optional<Reply> reply;
    net::asio::co_spawn(core_->io(), instance->run(call), [&](const std::exception_ptr& error, Reply got) {
      if (error) std::rethrow_exception(error);
      reply = std::move(got);
      core_->stop();
    });
    if (cancel_) core_->post([&] { instance->cancel(); });
    core_->io().restart();
    core_->run();
    return *std::move(reply);
  }

  std::string refusal(std::string_view source) {
    const auto made = runtime_->prepare(function(source));
    return made ? "" : std::string(name(made.error().code)) + ": " + made.error().message;
  }

  static inline std::filesystem::path folder_;
  static inline exec::Core* core_ = nullptr;
  static inline net::BlockingPool* pool_ = nullptr;
  static inline exec::Runtime* runtime_ = nullptr;
  CallLog log_{0};
  std::optional<Duration> timeout_;  // Of a call, where it is not the function's.
  bool cancel_ = false;
};

inline testing::AssertionResult failed_with(const Reply& reply, Code code, std::string_view text) {
  if (!reply.error) return testing::AssertionFailure() << "it replied " << reply.output;
  if (reply.error->code == code && reply.error->message.find(text) != std::string::npos) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << name(reply.error->code) << ": " << reply.error->message;
}

}  // namespace canopy::python
