#include "worker/fleet.h"

#include <map>

#include <gtest/gtest.h>

#include "net/frame_pair.h"

namespace canopy::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::FrameKind;

// A process that is none: the test says what it does.
struct FakeProcess final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override { heard.push_back(frame.head.kind); }
  void on_closed(const std::string& /*why*/) override {}

  void say(FrameKind kind) {
    std::string body;
    if (kind == FrameKind::hello) wire::write_hello({.version = wire::frame_version}, body);
    if (kind == FrameKind::pong) wire::write_load({.resident_bytes = 4096}, body);
    link->send({.kind = kind}, body);
    control.pump();
  }
  bool has_heard(FrameKind kind) const { return std::ranges::find(heard, kind) != heard.end(); }

  net::FramePair control;
  net::FramePair line;
  std::unique_ptr<net::FrameLink> link;
  std::vector<FrameKind> heard;
  std::optional<std::string> how;
  bool killed = false;
};

class FakeLauncher final : public Launcher {
 public:
  explicit FakeLauncher(std::map<pid_t, std::unique_ptr<FakeProcess>>& to) : processes(to) {}

  Result<Launched> launch(exec::Core& /*own*/, const std::vector<exec::Core*>& /*cores*/) override {
    if (processes.size() >= process_count_max) return fail(Code::unavailable, "no process is left");
    const pid_t id = next_++;
    auto& process = processes[id] = std::make_unique<FakeProcess>();
    process->link = process->control.right();
    process->link->listen(*process);
    Launched launched;
    launched.process = id;
    launched.control = process->control.left();
    launched.lines.emplace_back([raw = process.get()] { return raw->line.left(); });
    return launched;
  }
  void kill(pid_t id) override {
    processes.at(id)->killed = true;
    processes.at(id)->how = "was ended by signal 9 (SIGKILL)";
  }
  std::optional<std::string> reap(pid_t id, bool /*wait*/) override { return processes.at(id)->how; }

  std::map<pid_t, std::unique_ptr<FakeProcess>>& processes;
  std::size_t process_count_max = 1000;

 private:
  pid_t next_ = 100;
};

class FleetTest : public testing::Test {
 protected:
  void start(std::uint32_t count) {
    FleetOptions options;
    options.worker_count = count;
    options.silence_max = seconds(2);
    options.restart = {
        .first_delay = milliseconds(100), .delay_max = milliseconds(400), .healthy_after = seconds(10)};
    fleet.emplace(std::move(options), std::vector{&core}, std::make_unique<FakeLauncher>(processes), clock);
    fleet->listen(
        [this](const Node& node) { states += node.name + " " + std::string(name(node.state)) + "\n"; });
    fleet->begin();
    settle();
  }
  void settle() {
    for (int i = 0; i < 5; ++i) {
      fleet->poll();
      core.poll();
      for (const auto& [id, process] : processes) process->control.pump();
    }
  }
  void pass(Duration time, Duration step = milliseconds(50)) {
    for (; time > Duration::zero(); time -= step) {
      clock.advance(step);
      settle();
    }
  }
  void end(pid_t id, std::string how) {
    processes.at(id)->how = std::move(how);
    processes.at(id)->control.cut();
    settle();
    pass(milliseconds(4), milliseconds(2));
  }
  std::string shown() const {
    std::string text;
    for (const Node& node : fleet->nodes()) {
      text += node.name + " " + std::string(name(node.state)) + " " + std::to_string(node.process) + "\n";
    }
    return text;
  }

  FakeClock clock;
  exec::Core core{0, clock};
  std::map<pid_t, std::unique_ptr<FakeProcess>> processes;
  std::string states;
  std::optional<Fleet> fleet;
};

TEST_F(FleetTest, AWorkerIsReadyWhenItSaysSo) {
  start(2);
  EXPECT_EQ(shown(), "worker-1 starting 100\nworker-2 starting 101\n");
  EXPECT_TRUE(processes.at(100)->has_heard(FrameKind::setup));
  processes.at(100)->say(FrameKind::hello);
  EXPECT_EQ(shown(), "worker-1 ready 100\nworker-2 starting 101\n");
  EXPECT_EQ(states, "worker-1 starting\nworker-2 starting\nworker-1 ready\n");
}

TEST_F(FleetTest, OneThatEndsIsStartedAgainAtOnceAndThenLaterAndLater) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  end(100, "was ended by signal 11 (SIGSEGV)");
  EXPECT_EQ(shown(), "worker-1 starting 101\n");
  EXPECT_EQ(fleet->nodes().at(0).last_end, "was ended by signal 11 (SIGSEGV)");
  end(101, "ended with status 1");
  EXPECT_EQ(shown(), "worker-1 waiting 0\n");
  pass(milliseconds(110));
  EXPECT_EQ(shown(), "worker-1 starting 102\n");
  EXPECT_EQ(fleet->nodes().at(0).restart_count, 2U);
}

TEST_F(FleetTest, OneThatAnswersLives) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  for (int i = 0; i < 20; ++i) {
    pass(milliseconds(500));
    processes.at(100)->say(FrameKind::pong);
  }
  EXPECT_FALSE(processes.at(100)->killed);
  settle();
  pass(milliseconds(500));
  EXPECT_EQ(fleet->nodes().at(0).resident_bytes, 4096U);
}

TEST_F(FleetTest, OneThatIsSilentIsKilled) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  pass(seconds(2));
  EXPECT_FALSE(processes.at(100)->killed);
  pass(seconds(1));
  EXPECT_TRUE(processes.at(100)->killed);
  EXPECT_EQ(shown(), "worker-1 starting 101\n");
  EXPECT_EQ(fleet->nodes().at(0).last_end, "was ended by signal 9 (SIGKILL), as it says nothing for 2s");
}

TEST_F(FleetTest, AMachineThatStoodStillKillsNobody) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  clock.advance(seconds(60));
  settle();
  EXPECT_FALSE(processes.at(100)->killed);
}

TEST_F(FleetTest, FewerEndWhatTheyHaveBegunFirst) {
  start(2);
  processes.at(100)->say(FrameKind::hello);
  processes.at(101)->say(FrameKind::hello);
  fleet->resize(1);
  settle();
  EXPECT_EQ(shown(), "worker-1 ready 100\nworker-2 draining 101\n");
  EXPECT_TRUE(processes.at(101)->has_heard(FrameKind::goaway));
  EXPECT_EQ(fleet->load().worker_count, 1U);
  end(101, "ended with status 0");
  EXPECT_EQ(shown(), "worker-1 ready 100\n");
  EXPECT_TRUE(states.ends_with("worker-2 draining\nworker-2 gone\n"));
}

TEST_F(FleetTest, MoreAreStarted) {
  start(1);
  fleet->resize(3);
  settle();
  EXPECT_EQ(shown(), "worker-1 starting 100\nworker-2 starting 101\nworker-3 starting 102\n");
}

TEST_F(FleetTest, OneThatLeavesIsReplacedWhileItDrains) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  processes.at(100)->say(FrameKind::goaway);
  settle();
  EXPECT_EQ(shown(), "worker-1 draining 100\nworker-2 starting 101\n");
}

TEST_F(FleetTest, OneThatNeverGetsReadyIsKilled) {
  start(1);
  pass(seconds(31), milliseconds(500));
  EXPECT_TRUE(processes.at(100)->killed);
}

TEST_F(FleetTest, OneWhoseConnectionToACoreBrokeIsKilledAndReplaced) {
  start(1);
  processes.at(100)->say(FrameKind::hello);
  processes.at(100)->line.cut();
  pass(seconds(2));
  EXPECT_TRUE(processes.at(100)->killed);
  EXPECT_EQ(shown(), "worker-1 starting 101\n");
}

// On its own thread, but nothing is waited for: no process is ever there.
TEST(FleetStart, FailsWhereNoProcessCanBeStarted) {
  exec::Core core(0, system_clock());
  std::map<pid_t, std::unique_ptr<FakeProcess>> processes;
  auto launcher = std::make_unique<FakeLauncher>(processes);
  launcher->process_count_max = 0;
  FleetOptions options;
  options.restart.first_delay = options.restart.delay_max = Duration::zero();
  Fleet fleet(std::move(options), {&core}, std::move(launcher), system_clock());
  const auto started = fleet.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::unavailable);
  EXPECT_NE(started.error().message.find("no process is left"), std::string::npos);
}

TEST_F(FleetTest, ItsEndIsTheirs) {
  start(2);
  fleet.reset();
  EXPECT_TRUE(processes.at(100)->killed);
  EXPECT_TRUE(processes.at(101)->killed);
}

}  // namespace
}  // namespace canopy::worker
