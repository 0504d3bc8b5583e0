// What every engine promises, with a real one: runc, and Docker where its daemon runs. Skipped where it is
// missing, or where this is not run by root.
#include <array>
#include <cstdlib>
#include <fstream>
#include <map>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptor.h"
#include "base/units.h"
#include "container/docker.h"
#include "container/engine.h"
#include "container/program.h"
#include "container/runc.h"
#include "container/warden.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration patience = seconds(30);

// What stands beside a container is this program too: it becomes that before any test.
const bool is_parent = [] {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  const int count = static_cast<int>(arguments.size());
  if (is_warden(count, arguments.data())) _exit(warden(count, arguments.data()));
  return true;
}();

// Docker's daemon, started by hand: without a bridge and without rules for the machine's firewall.
class Daemon {
 public:
  // Nothing where it is not installed, or this is not root.
  static std::unique_ptr<Daemon> start(const fs::path& folder) {
    if (geteuid() != 0) return nullptr;
    fs::create_directories(folder);
    const std::string in = folder.string();
    const std::vector<std::string> words = {"dockerd",
                                            "--host=unix://" + in + "/socket",
                                            "--data-root=" + in + "/data",
                                            "--exec-root=" + in + "/exec",
                                            "--pidfile=" + in + "/pid",
                                            "--bridge=none",
                                            "--iptables=false",
                                            "--ip-masq=false",
                                            "--log-level=error"};
    const Descriptor log(open((in + "/log").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const auto process =
        start_child({.program = "dockerd", .words = words, .streams = {no_stream, log.get(), log.get()}});
    if (!process) return nullptr;
    std::unique_ptr<Daemon> started(new Daemon(*process));
    const auto engine = make_docker_engine(folder / "socket", "wait");
    const Time deadline = system_clock().now() + patience;
    while (!engine->check() && system_clock().now() < deadline) poll(nullptr, 0, 50);
    return started;
  }
  ~Daemon() {
    kill(process_, SIGTERM);
    if (!wait_for_child(process_, patience)) static_cast<void>(kill_child(process_));
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

 private:
  explicit Daemon(pid_t process) : process_(process) {}
  const pid_t process_;
};

class Engines : public testing::TestWithParam<const char*> {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("canopy-engine-test-" + std::to_string(getpid()));
    const fs::path root = folder_ / "root";
    for (const char* const name : {"proc", "dev", "tmp", "sys", "etc"}) fs::create_directories(root / name);
    fs::permissions(root / "tmp", fs::perms::all);
    const auto compiled =
        run_program({"cc", "-O2", "-static", "-pthread", std::string(CANOPY_CONTAINER_SERVER), "-o",
                     (root / "server").string()},
                    patience);
    is_compiled_ = compiled && compiled->status == 0;
  }
  static void TearDownTestSuite() {
    engines_.clear();
    daemon_.reset();
    fs::remove_all(folder_);
  }

  void SetUp() override {
    if (!is_compiled_) GTEST_SKIP() << "there is no C compiler that links statically";
    const std::string name = GetParam();
    auto& kept = engines_[name];
    if (kept == nullptr && name == "runc") kept = make_runc_engine("runc", folder_ / "engine");
    if (kept == nullptr) {
      daemon_ = Daemon::start(folder_ / "docker");
      kept = make_docker_engine(folder_ / "docker/socket", "engine-test");
    }
    engine_ = kept.get();
    if (const auto good = engine_->check(); !good) GTEST_SKIP() << good.error().message;
    const auto added = engine_->add_image("test", folder_ / "root");
    ASSERT_TRUE(added) << added.error().message;
  }

  static Plan plan(std::vector<std::string> command = {"/server"}) {
    static int count = 0;
    Plan made;
    made.id = "test-" + std::to_string(getpid()) + "-" + std::to_string(++count);
    made.image = "test";
    made.root = folder_ / "root";
    made.command = std::move(command);
    made.env = {"PORT=8080", "GREETING=hello"};
    made.user = 65534;
    made.group = 65534;
    made.memory_bytes = 32 * MiB;
    made.tmp_bytes = MiB;
    made.open_files = 64;
    made.processes = 16;
    made.cpu_period = milliseconds(100);
    made.cpu_quota = milliseconds(100);
    return made;
  }

  static std::unique_ptr<Started> start(const Plan& wanted) {
    auto started = engine_->start(wanted);
    EXPECT_TRUE(started) << started.error().message;
    return started ? *std::move(started) : nullptr;
  }

  // A connection, as soon as there is one.
  static Descriptor connect(const Started& started) {
    const Time deadline = system_clock().now() + patience;
    for (;;) {
      auto connected = started.connect(8080);
      if (connected) return *std::move(connected);
      if (system_clock().now() > deadline) {
        ADD_FAILURE() << connected.error().message;
        return {};
      }
      poll(nullptr, 0, 2);
    }
  }

  // What the server answers, without its head.
  static std::string ask(const Started& started, const std::string& path) {
    const Descriptor connection = connect(started);
    const std::string request = "GET " + path + " HTTP/1.1\r\n\r\n";
    if (!connection || send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
      return "(no connection)";
    std::string text;
    for (;;) {
      pollfd wanted{connection.get(), POLLIN, 0};
      if (poll(&wanted, 1, 30'000) <= 0) return "(no answer)";
      std::array<char, 4096> piece{};
      const ssize_t got = read(connection.get(), piece.data(), piece.size());
      if (got <= 0) return "(closed)";
      text.append(piece.data(), static_cast<std::size_t>(got));
      const std::size_t end = text.find("\r\n\r\n");
      const std::size_t length = text.find("Content-Length: ");
      if (end == std::string::npos || length == std::string::npos) continue;
      if (text.size() - end - 4 >= std::stoul(text.substr(length + 16))) return text.substr(end + 4);
    }
  }

  static std::optional<End> end_of(Started& started) {
    const Time deadline = system_clock().now() + patience;
    while (system_clock().now() < deadline) {
      pollfd wanted{started.end_descriptor(), POLLIN, 0};
      poll(&wanted, 1, 1000);
      if (auto end = started.take_end()) return end;
    }
    return std::nullopt;
  }

  // All that it prints until it ends; what is meant as errors goes to `errors`, where there is one.
  static std::string output_of(Started& started, std::string* errors = nullptr) {
    std::string text;
    const auto keep = [&](bool is_error, std::string_view bytes) {
      (is_error && errors != nullptr ? *errors : text) += bytes;
    };
    const Time deadline = system_clock().now() + patience;
    while (system_clock().now() < deadline) {
      const Progress progress = started.read_output(keep);
      if (progress == Progress::end) break;
      if (progress == Progress::wait) poll(nullptr, 0, 2);
    }
    return text;
  }

  static fs::path folder_;
  static bool is_compiled_;
  static std::map<std::string, std::unique_ptr<Engine>> engines_;
  static std::unique_ptr<Daemon> daemon_;
  static Engine* engine_;
};

fs::path Engines::folder_;
bool Engines::is_compiled_ = false;
std::map<std::string, std::unique_ptr<Engine>> Engines::engines_;
std::unique_ptr<Daemon> Engines::daemon_;
Engine* Engines::engine_ = nullptr;

INSTANTIATE_TEST_SUITE_P(Each, Engines, testing::Values("runc", "docker"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Engines, StartAServerThatTheServerReaches) {
  const auto started = start(plan());
  ASSERT_TRUE(started);
  EXPECT_EQ(ask(*started, "/env/GREETING"), "hello");
  EXPECT_GT(started->process(), 0);
  EXPECT_EQ(kill(started->process(), 0), 0);
  const pid_t process = started->process();
  started->remove();
  EXPECT_NE(kill(process, 0), 0);
}

TEST_P(Engines, NobodyListensYet) {
  const auto started = start(plan({"/server", "deaf"}));
  ASSERT_TRUE(started);
  EXPECT_FALSE(started->connect(8080));
}

TEST_P(Engines, SayHowAContainerEnds) {
  const auto started = start(plan({"/server", "quit", "3"}));
  ASSERT_TRUE(started);
  const auto end = end_of(*started);
  ASSERT_TRUE(end);
  EXPECT_TRUE(WIFEXITED(end->status));
  EXPECT_EQ(WEXITSTATUS(end->status), 3);
  EXPECT_FALSE(end->out_of_memory);
  EXPECT_EQ(output_of(*started), "I quit\n");
}

TEST_P(Engines, KillWhatDoesNotListenToReason) {
  const auto started = start(plan());
  ASSERT_TRUE(started);
  static_cast<void>(connect(*started));
  started->stop(milliseconds(50));  // The first process of a container ignores SIGTERM unless it asks for it.
  const auto end = end_of(*started);
  ASSERT_TRUE(end);
  EXPECT_TRUE(WIFSIGNALED(end->status));
}

TEST_P(Engines, EndAContainerThatNeedsTooMuchMemory) {
  const auto started = start(plan());
  ASSERT_TRUE(started);
  EXPECT_EQ(ask(*started, "/memory"), "(closed)");
  const auto end = end_of(*started);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->out_of_memory);
}

TEST_P(Engines, BoundProcesses) {
  const auto started = start(plan());
  ASSERT_TRUE(started);
  const int count = std::atoi(ask(*started, "/forks").c_str());
  EXPECT_GT(count, 0);
  EXPECT_LT(count, 17);
}

// The kernel may count that apart from all other memory, and has one bound for all of the machine.
TEST_P(Engines, BoundWhatLiesInConnections) {
  if (std::string(GetParam()) == "docker") GTEST_SKIP() << "Docker sets no bound of its own for it";
  const auto started = start(plan());
  ASSERT_TRUE(started);
  const long bytes = std::atol(ask(*started, "/buffers").c_str());
  EXPECT_LT(bytes, static_cast<long>(64 * MiB));
}

TEST_P(Engines, KeepContainersApartFromTheMachine) {
  const auto started = start(plan());
  ASSERT_TRUE(started);
  for (const char* const path : {"/write/server", "/write/x", "/write/etc/x"}) {
    EXPECT_NE(ask(*started, path), "done") << path;
  }
  EXPECT_EQ(ask(*started, "/write/tmp/x"), "done");
  EXPECT_EQ(ask(*started, "/connect/192.0.2.1/80"), "Network is unreachable");
  EXPECT_NE(ask(*started, "/read/sys").find(". "), std::string::npos);
  const std::string status = ask(*started, "/status");
  EXPECT_NE(status.find("\nUid:\t65534\t65534"), std::string::npos) << status;
  EXPECT_NE(status.find("\nCapEff:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("\nCapBnd:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("\nNoNewPrivs:\t1"), std::string::npos) << status;
  EXPECT_NE(status.find("\nSeccomp:\t2"), std::string::npos) << status;
  EXPECT_NE(status.find("\nPid:\t1\n"), std::string::npos) << status;
}

TEST_P(Engines, RefuseSystemCallsThatAdministerTheMachine) {
#if defined(__x86_64__)
  const auto started = start(plan());
  ASSERT_TRUE(started);
  // ptrace, mount, unshare, setns, bpf, keyctl, perf_event_open, init_module, reboot, userfaultfd
  for (const char* const number : {"101", "165", "272", "308", "321", "250", "298", "175", "169", "323"}) {
    EXPECT_EQ(ask(*started, "/call/" + std::string(number)), "1") << number;
  }
#endif
}

TEST_P(Engines, GiveInputToACommandAndTakeItsOutput) {
  Plan wanted = plan();
  wanted.env = {};
  wanted.has_input = true;
  const auto started = start(wanted);
  ASSERT_TRUE(started);
  {
    const Descriptor input = started->take_input();
    ASSERT_TRUE(input);
    ASSERT_EQ(write(input.get(), "words", 5), 5);
  }
  started->end_input();
  std::string errors;
  EXPECT_EQ(output_of(*started, &errors), "command: words");
  EXPECT_EQ(errors, "copying 5 bytes\n");
  const auto end = end_of(*started);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->status, 0);
}

TEST_P(Engines, SayWhatCannotBeStarted) {
  const auto started = engine_->start(plan({"/nowhere"}));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::refused);
  EXPECT_NE(started.error().message.find("nowhere"), std::string::npos) << started.error().message;
}

TEST_P(Engines, RemoveWhatAnEarlierServerLeft) { EXPECT_EQ(engine_->remove_orphans().value_or(99), 0U); }

}  // namespace
}  // namespace canopy::container
