#include "balance/supply.h"

#include <filesystem>
#include <optional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "exec/fake_runtime.h"

namespace canopy::balance {
namespace {

using Made = Result<std::shared_ptr<exec::Template>>;

net::Task<void> provide(Supply& supply, exec::Runtime& runtime, const Function& function,
                        std::optional<Made>& made) {
  made = co_await supply.provide(runtime, function);
}

// Its parts would push each other out, and be fetched anew for each call.
TEST(Supply, RefusesAFunctionThatIsLargerThanAllThatIsKept) {
  const std::string folder = testing::TempDir() + "supply-" + std::to_string(getpid());
  CodeCache cache(folder, MiB);
  net::BlockingPool pool(1, 10);
  Supply supply(cache, pool, pool);
  exec::FakeRuntime runtime([](std::string_view) -> Result<std::filesystem::path> { return "nowhere"; });
  Function function;
  function.name = {"demo", "large"};
  function.digest = "a";
  function.code_bytes = 600 * KiB;
  function.files = {{"one.txt", "b", 500 * KiB}};
  net::asio::io_context io;
  std::optional<Made> made;
  net::asio::co_spawn(io, provide(supply, runtime, function, made), net::asio::detached);
  io.run();
  ASSERT_TRUE(made && !*made);
  EXPECT_EQ(made->error().code, Code::limit);
  EXPECT_EQ(
      made->error().message,
      "the code and files of demo/large are 1100KiB, and the worker that was to run it keeps 1MiB; start it "
      "with a larger --code-cache");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace canopy::balance
