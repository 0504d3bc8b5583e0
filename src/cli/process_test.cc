#include "cli/process.h"

#include <csignal>

#include <gtest/gtest.h>

#include "cli/shell.h"

namespace canopy::cli {
namespace {

const std::vector<std::string_view> variables = {"PATH=/usr/bin:/bin", "KEPT=yes", "CHANGED=before"};

Result<ProcessEnd> sh(const std::string& script, ProcessRequest request = {}) {
  request.arguments = {"sh", "-c", script};
  return run_process(request, Environment(variables));
}

TEST(Process, KeepsBothStreamsAndTheStatus) {
  const auto end = sh("echo out; echo err >&2; exit 3");
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->out, "out\n");
  EXPECT_EQ(end->err, "err\n");
  EXPECT_EQ(end->status, 3);
}

TEST(Process, ReadsMoreThanAPipeHolds) {
  const auto end = sh("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero");
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->out.size(), 300'000U);
  EXPECT_EQ(end->err.size(), 300'000U);
}

TEST(Process, KeepsNoMoreThanItsBound) {
  const auto end = sh("head -c 20000000 /dev/zero");
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->out.size(), process_output_max);
  EXPECT_EQ(end->status, 0);
}

TEST(Process, HasItsFolderItsVariablesAndNothingToRead) {
  Shell shell;
  const auto end =
      sh("pwd; echo $KEPT $CHANGED; cat", {.folder = shell.folder(), .variables = {"CHANGED=after"}});
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->out, shell.folder().string() + "\nyes after\n");
}

TEST(Process, ASignalIsAStatus) { EXPECT_EQ(sh("kill -9 $$")->status, 128 + SIGKILL); }

TEST(Process, EndsAtItsTimeout) {
  const auto end = sh("exec sleep 1000", {.timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::deadline);
  EXPECT_NE(end.error().message.find("sh took longer than 50ms"), std::string::npos);
}

TEST(Process, OneThatClosesItsStreamsAndGoesOnEndsAtItsTimeoutToo) {
  const auto end = sh("exec >&- 2>&-; exec sleep 1000", {.timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::deadline);
}

TEST(Process, OneThatIsNotThereIsNotFound) {
  EXPECT_EQ(run_process({.arguments = {"no-such-program"}}, Environment(variables)).error().code,
            Code::not_found);
  EXPECT_EQ(run_process({.arguments = {"/no/such/program"}}, Environment(variables)).error().code,
            Code::not_found);
}

TEST(Process, HoldsNoSignalsBack) {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &stop, &before);
  const auto end = sh("kill -TERM $$; sleep 1000", {.timeout = std::chrono::seconds(60)});
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_EQ(end->status, 128 + SIGTERM);
}

TEST(Companion, EndsWithItsOwner) {
  auto companion = Companion::start({.arguments = {"sleep", "1000"}}, Environment(variables));
  ASSERT_TRUE(companion) << companion.error().message;
  EXPECT_TRUE(companion->is_alive());
}

TEST(FindProgram, LooksWhereItIsTold) {
  Shell shell;
  const auto file = shell.file("tool", "#!/bin/sh\n");
  const std::string path = "PATH=/nowhere:" + shell.folder().string();
  const Environment environment({path});
  EXPECT_EQ(find_program("tool", environment), std::nullopt);  // Not executable.
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  EXPECT_EQ(find_program("tool", environment), file);
  EXPECT_EQ(find_program(file.string(), environment), file);
  EXPECT_EQ(find_program("other", environment), std::nullopt);
}

}  // namespace
}  // namespace canopy::cli
