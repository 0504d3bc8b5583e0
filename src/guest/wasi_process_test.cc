// Arguments, environment, clocks, randomness, exit, sockets.

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "guest/fake_caller.h"

namespace canopy::guest {
namespace {

constexpr std::uint64_t huge = 0xffffffff;

// The strings that a pair like args_sizes_get, args_get gives out.
std::vector<std::string> strings(FakeCaller& caller, const std::string& prefix) {
  EXPECT_EQ(caller.wasi(prefix + "_sizes_get", {0, 4}), Errno::success);
  const auto count = caller.at<std::uint32_t>(0);
  const auto size = caller.at<std::uint32_t>(4);
  EXPECT_EQ(caller.wasi(prefix + "_get", {16, 4096}), Errno::success);
  std::vector<std::string> found;
  std::uint32_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto at = caller.at<std::uint32_t>(16 + 4 * i);
    std::string text;
    for (std::uint32_t next = at; caller.at<char>(next) != '\0'; ++next) text += caller.at<char>(next);
    total += static_cast<std::uint32_t>(text.size()) + 1;
    found.push_back(text);
  }
  EXPECT_EQ(total, size);
  return found;
}

TEST(WasiArguments, AreTheNameOfTheFunction) {
  Function function;
  function.name = {"demo", "hello"};
  FakeCaller caller(function);
  EXPECT_EQ(strings(caller, "args"), std::vector<std::string>{"hello"});
}

TEST(WasiArguments, OfALocalRunAreThoseGiven) {
  GuestOptions options;
  options.local.emplace().arguments = {"prog.wasm", "-v", ""};
  FakeCaller caller({}, options);
  EXPECT_EQ(strings(caller, "args"), (std::vector<std::string>{"prog.wasm", "-v", ""}));
}

TEST(WasiEnvironment, HasTheFunctionsOwnAndTheRequest) {
  Function function;
  function.env = {{"MODE", "test"}};
  FakeCaller caller(function);
  caller.call().method = "DELETE";
  const auto variables = strings(caller, "environ");
  const std::set<std::string> all(variables.begin(), variables.end());
  EXPECT_TRUE(all.contains("MODE=test"));
  EXPECT_TRUE(all.contains("REQUEST_METHOD=DELETE"));
}

TEST(WasiEnvironment, OfALocalRunHasNoRequest) {
  Function function;
  function.env = {{"MODE", "test"}};
  GuestOptions options;
  options.local.emplace();
  FakeCaller caller(function, options);
  EXPECT_EQ(strings(caller, "environ"), std::vector<std::string>{"MODE=test"});
}

TEST(WasiStrings, AreWrittenOnlyInsideOfTheMemory) {
  FakeCaller caller;
  for (const std::string prefix : {"args", "environ"}) {
    EXPECT_EQ(caller.wasi(prefix + "_sizes_get", {65533, 0}), Errno::fault);
    EXPECT_EQ(caller.wasi(prefix + "_sizes_get", {0, huge}), Errno::fault);
    EXPECT_EQ(caller.wasi(prefix + "_get", {0, 65536}), Errno::fault);
    EXPECT_EQ(caller.wasi(prefix + "_get", {huge, 0}), Errno::fault);
    EXPECT_EQ(caller.wasi(prefix + "_get", {huge - 1, huge - 1}), Errno::fault);
  }
}

TEST(WasiClock, HasMicroseconds) {
  FakeCaller caller;
  for (const std::uint64_t clock : {0U, 1U, 2U, 3U}) {
    EXPECT_EQ(caller.wasi("clock_res_get", {clock, 8}), Errno::success);
    EXPECT_EQ(caller.at<std::uint64_t>(8), 1000U);
  }
  caller.fake_clock().advance(std::chrono::nanoseconds(5'123'456));
  EXPECT_EQ(caller.wasi("clock_time_get", {0, 1, 8}), Errno::success);
  EXPECT_EQ(caller.at<std::uint64_t>(8), 1'005'123'000U);
}

TEST(WasiClock, MonotonicCountsFromASecondBeforeTheCall) {
  FakeCaller caller;
  for (const std::uint64_t clock : {1U, 2U, 3U}) {
    EXPECT_EQ(caller.wasi("clock_time_get", {clock, 0, 8}), Errno::success);
    EXPECT_EQ(caller.at<std::uint64_t>(8), 1'000'000'000U);
  }
  caller.fake_clock().advance(std::chrono::milliseconds(3));
  EXPECT_EQ(caller.wasi("clock_time_get", {1, 0, 8}), Errno::success);
  EXPECT_EQ(caller.at<std::uint64_t>(8), 1'003'000'000U);
}

TEST(WasiClock, RefusesWhatIsNone) {
  FakeCaller caller;
  for (const std::uint64_t clock : {std::uint64_t{4}, std::uint64_t{256}, huge}) {
    EXPECT_EQ(caller.wasi("clock_res_get", {clock, 8}), Errno::inval);
    EXPECT_EQ(caller.wasi("clock_time_get", {clock, 0, 8}), Errno::inval);
  }
  EXPECT_EQ(caller.wasi("clock_res_get", {0, 65529}), Errno::fault);
  EXPECT_EQ(caller.wasi("clock_time_get", {0, 0, 65529}), Errno::fault);
}

TEST(WasiRandom, FillsExactlyWhatWasAsked) {
  FakeCaller caller;
  EXPECT_EQ(caller.wasi("random_get", {100, 32}), Errno::success);
  EXPECT_NE(caller.text(100, 32), std::string(32, '\0'));
  EXPECT_EQ(caller.text(0, 100), std::string(100, '\0'));
  EXPECT_EQ(caller.text(132, 100), std::string(100, '\0'));
  EXPECT_EQ(caller.wasi("random_get", {100, 0}), Errno::success);
  EXPECT_EQ(caller.wasi("random_get", {65536, 0}), Errno::success);
}

TEST(WasiRandom, StaysInsideOfTheMemory) {
  FakeCaller caller;
  EXPECT_EQ(caller.wasi("random_get", {65535, 2}), Errno::fault);
  EXPECT_EQ(caller.wasi("random_get", {65537, 0}), Errno::fault);
  EXPECT_EQ(caller.wasi("random_get", {1, huge}), Errno::fault);
  EXPECT_EQ(caller.wasi("random_get", {huge, huge}), Errno::fault);
}

TEST(WasiRandom, GivesOthersTheirTurnBetweenPieces) {
  constexpr std::uint64_t size = 150'000;
  FakeCaller caller({}, {}, 200'000);
  caller.run("random_get", {10, size});
  EXPECT_EQ(caller.after, wasm::After::wait);
  int waits = 0;
  while (caller.after == wasm::After::wait && waits < 10) {
    ++waits;
    ASSERT_NE(caller.resume, nullptr);
    caller.after = caller.resume(caller, &caller.value);
  }
  EXPECT_EQ(waits, 2);
  EXPECT_EQ(caller.after, wasm::After::go_on);
  EXPECT_EQ(caller.result(), 0);
  for (std::size_t at = 10; at + 64 <= size; at += 64) {
    ASSERT_NE(caller.text(at, 64), std::string(64, '\0')) << at;
  }
  EXPECT_EQ(caller.text(10 + size, 1000), std::string(1000, '\0'));
}

TEST(WasiPreparing, RefusesWhatMustNotBeFrozen) {
  struct Case {
    std::string_view name;
    std::initializer_list<std::uint64_t> arguments;
    std::string_view what;
  };
  const Case cases[] = {{"clock_time_get", {0, 0, 8}, "the time"},
                        {"clock_time_get", {1, 0, 8}, "the time"},
                        {"random_get", {0, 16}, "randomness"},
                        {"environ_get", {0, 64}, "the environment"},
                        {"environ_sizes_get", {0, 4}, "the environment"},
                        {"args_get", {0, 64}, "its arguments"},
                        {"args_sizes_get", {0, 4}, "its arguments"},
                        {"fd_read", {0, 0, 0, 4}, "the input of a call"}};
  for (const Case& each : cases) {
    FakeCaller caller;
    caller.is_preparing = true;
    caller.run(each.name, each.arguments);
    EXPECT_EQ(caller.after, wasm::After::fail) << each.name;
    ASSERT_TRUE(caller.error) << each.name;
    EXPECT_EQ(caller.error->code, Code::refused);
    EXPECT_EQ(caller.error->message, "the initialisation asked for " + std::string(each.what));
  }
}

TEST(WasiPreparing, LetsPassWhatIsAlwaysTheSame) {
  FakeCaller caller;
  caller.is_preparing = true;
  FakeGuest guest(caller);
  EXPECT_EQ(caller.wasi("clock_res_get", {0, 8}), Errno::success);
  EXPECT_EQ(guest.write(1, "to the log"), 10U);
  EXPECT_TRUE(guest.open_read("etc/hosts"));
  EXPECT_TRUE(guest.stat("tmp"));
  EXPECT_FALSE(caller.error);
  EXPECT_EQ(caller.reply().output, "");
  EXPECT_EQ(caller.log().text(), "to the log");
}

TEST(WasiPreparing, RefusesFilesThatWouldBeLost) {
  FakeCaller caller;
  caller.is_preparing = true;
  FakeGuest guest(caller);
  EXPECT_EQ(guest.make_folder("nothing"), Errno::rofs);
  EXPECT_FALSE(caller.error);
  guest.make_folder("tmp/cache");
  EXPECT_EQ(caller.after, wasm::After::fail);
  ASSERT_TRUE(caller.error);
  EXPECT_EQ(caller.error->message, "the initialisation asked for files of its own");
}

TEST(WasiExit, EndsTheGuestWithItsCode) {
  FakeCaller caller;
  caller.run("proc_exit", {3});
  EXPECT_EQ(caller.after, wasm::After::exit);
  EXPECT_EQ(caller.exit_code, 3);
  caller.run("proc_exit", {huge});
  EXPECT_EQ(caller.exit_code, -1);
}

TEST(WasiRaise, DoesWhatTheSignalDoes) {
  for (const std::uint64_t ignored : {0U, 13U, 16U, 17U, 22U, 27U}) {
    FakeCaller caller;
    EXPECT_EQ(caller.wasi("proc_raise", {ignored}), Errno::success) << ignored;
    EXPECT_EQ(caller.after, wasm::After::go_on);
  }
  for (const std::uint64_t stop : {18U, 19U, 20U, 21U}) {
    FakeCaller caller;
    EXPECT_EQ(caller.wasi("proc_raise", {stop}), Errno::notsup) << stop;
  }
  for (const std::uint64_t unknown : {std::uint64_t{31}, std::uint64_t{256}, huge}) {
    FakeCaller caller;
    EXPECT_EQ(caller.wasi("proc_raise", {unknown}), Errno::inval) << unknown;
  }
  FakeCaller caller;
  caller.run("proc_raise", {6});
  EXPECT_EQ(caller.after, wasm::After::exit);
  EXPECT_EQ(caller.exit_code, 134);
}

TEST(WasiYield, ReturnsAtOnce) {
  FakeCaller caller;
  EXPECT_EQ(caller.wasi("sched_yield", {}), Errno::success);
  EXPECT_EQ(caller.after, wasm::After::go_on);
}

TEST(WasiSockets, AreNotThere) {
  FakeCaller caller;
  for (const std::uint64_t fd : {0U, 1U, 3U}) {
    EXPECT_EQ(caller.wasi("sock_accept", {fd, 0, 0}), Errno::notsup);
    EXPECT_EQ(caller.wasi("sock_recv", {fd, 0, 0, 0, 0, 0}), Errno::notsup);
    EXPECT_EQ(caller.wasi("sock_send", {fd, 0, 0, 0, 0}), Errno::notsup);
    EXPECT_EQ(caller.wasi("sock_shutdown", {fd, 1}), Errno::notsock);
  }
  for (const std::uint64_t fd : {std::uint64_t{5}, huge}) {
    EXPECT_EQ(caller.wasi("sock_accept", {fd, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("sock_recv", {fd, 0, 0, 0, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("sock_send", {fd, 0, 0, 0, 0}), Errno::badf);
    EXPECT_EQ(caller.wasi("sock_shutdown", {fd, 1}), Errno::badf);
  }
}

}  // namespace
}  // namespace canopy::guest
