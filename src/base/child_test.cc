#include "base/child.h"

#include <array>
#include <csignal>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"

namespace canopy {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

// A process that ends with `status`, or never.
pid_t start(std::optional<int> status) {
  const pid_t id = fork();
  if (id == 0) {
    while (!status) pause();
    _exit(*status);
  }
  return id;
}

// What a shell prints for `script`, on its descriptor 3.
std::string said(const std::string& script, ChildPlan plan = {}) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const Descriptor from(ends[0]);
  Descriptor to(above(3, ends[1]));
  plan.program = "sh";
  plan.words = {"sh", "-c", "exec >&3; " + script};
  plan.streams.push_back(to.get());
  const auto id = start_child(plan);
  EXPECT_TRUE(id) << id.error().message;
  to.reset();
  std::string text(4096, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0; size += static_cast<std::size_t>(got > 0 ? got : 0)) {
    got = read(from.get(), text.data() + size, text.size() - size);
  }
  text.resize(size);
  EXPECT_EQ(wait_for_child(*id, minutes(1)), 0);
  return text;
}

TEST(Child, HasTheStreamsThatItIsGivenAndNoOthers) {
  const Descriptor mine(open("/dev/null", O_RDONLY));  // Without O_CLOEXEC.
  // The shell's own listing has one more, which is the folder's.
  EXPECT_EQ(said("ls /proc/self/fd | wc -l; readlink /proc/self/fd/0"), "5\n/dev/null\n");
}

ChildPlan in_group(ChildPlan::Group group) {
  ChildPlan plan;
  plan.group = group;
  return plan;
}

TEST(Child, HasTheVariablesAndTheFolderThatItIsGiven) {
  ChildPlan plan;
  plan.env = std::vector<std::string>{"A=1", "PATH=/usr/bin:/bin"};
  plan.folder = "/usr";
  EXPECT_EQ(said("echo $A$HOME; pwd", plan), "1\n/usr\n");
  setenv("CANOPY_CHILD_TEST", "ours", 1);
  EXPECT_EQ(said("echo $CANOPY_CHILD_TEST"), "ours\n");
}

TEST(Child, HearsSignalsWhateverWeDoWithThem) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto on_pipe = signal(SIGPIPE, SIG_IGN);
  const auto on_hangup = signal(SIGHUP, SIG_IGN);
  // Of what is blocked and ignored, the signals up to 16: the C library has its own way with those past 31.
  const std::string script = "sed -nE 's/^Sig(Blk|Ign):.*(....)$/\\2/p' /proc/self/status";
  const std::string in_our_group = said(script);
  const std::string in_its_own = said(script, in_group(ChildPlan::Group::own));
  signal(SIGPIPE, on_pipe);
  signal(SIGHUP, on_hangup);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(in_its_own, "0000\n0000\n");
  EXPECT_EQ(in_our_group, "0000\n0001\n");  // As with nohup.
}

TEST(Child, MayHaveAGroupOrASessionOfItsOwn) {
  for (const auto group : {ChildPlan::Group::same, ChildPlan::Group::own, ChildPlan::Group::session}) {
    const std::string text = said("cut -d ' ' -f 5,6 /proc/$$/stat; echo $$ $$", in_group(group));
    const std::size_t line = text.find('\n');
    const std::string both = text.substr(line + 1, text.size() - line - 2);
    const std::string own = both.substr(0, both.find(' '));
    EXPECT_EQ(text.starts_with(own + ' '), group != ChildPlan::Group::same) << text;
    EXPECT_EQ(text.substr(0, line) == both, group == ChildPlan::Group::session) << text;
  }
}

TEST(Child, ThatIsNoProgramIsSaid) {
  const auto id = start_child({.program = "/nowhere", .words = {"nowhere"}});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, Code::unavailable);
  EXPECT_EQ(id.error().message, "No such file or directory");
}

TEST(Child, SaysHowItEnded) {
  const auto status = wait_for_child(start(7), minutes(1));
  ASSERT_TRUE(status);
  EXPECT_EQ(WEXITSTATUS(*status), 7);
}

TEST(Child, IsNotWaitedForWithoutEnd) {
  const pid_t id = start(std::nullopt);
  EXPECT_FALSE(wait_for_child(id, milliseconds(1)));
  const auto status = kill_child(id);
  ASSERT_TRUE(status);
  EXPECT_EQ(WTERMSIG(*status), SIGKILL);
}

TEST(Child, OfSomebodyElseCountsAsEnded) { EXPECT_TRUE(wait_for_child(1, minutes(1))); }

}  // namespace
}  // namespace canopy
