// Processes of Python functions that are forked ahead of their calls, or kept for the next one.

#include "python/python_fixture.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Counts the calls of one process. Its name is the one word that its input has before a colon.
constexpr std::string_view counting =
    "import os, subprocess, sys, time\n"
    "count = 0\n"
    "def handle(r):\n"
    "  global count\n"
    "  count += 1\n"
    "  name, _, code = r.text.partition(':')\n"
    "  if name: open('/proc/self/comm', 'w').write(name)\n"
    "  print('call', count)\n"
    "  exec(code)\n"
    "  return count\n";

// Of all processes of the machine that have this name, the states, as ps shows them.
std::string states_of(const std::string& name) {
  std::string states;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t end = line.rfind(") ");
    if (end != line.npos && line.find("(" + name + ") ") != line.npos) states += line.substr(end + 2, 1);
  }
  return states;
}

class KeptPython : public Python {
 protected:
  // A version of its own, with a runtime of its own.
  void prepare(RuntimeOptions options = {}) {
    own_ = make(2, std::move(options));
    function_ = function(counting);
    function_.env["CANOPY_KEEP_WARM"] = "1";
    const auto ready = own_->prepare(function_);
    ASSERT_TRUE(ready) << ready.error().message;
    ready_ = *ready;
  }

  Reply again(std::string_view input = "") { return run(function_, *ready_, input); }

  // Whether it comes to that.
  static bool becomes(const std::string& name, std::string_view state) {
    const Time deadline = system_clock().now() + seconds(30);
    while (system_clock().now() < deadline) {
      core_->poll();
      if (states_of(name) == state) return true;
    }
    return false;
  }

  std::string name_ = "kept-" + std::to_string(getpid());
  std::unique_ptr<exec::Runtime> own_;
  Function function_;
  std::shared_ptr<exec::Template> ready_;
};

TEST_F(KeptPython, ServesCallAfterCallInOneProcess) {
  prepare();
  EXPECT_EQ(again(":open('/tmp/left', 'w').close()").output, "1");
  EXPECT_EQ(log_.text(), "call 1\n");
  const Reply second = again(":print(os.listdir('/tmp'))");
  EXPECT_EQ(second.output, "2");
  EXPECT_EQ(log_.text(), "call 2\n['left']\n");
  EXPECT_FALSE(second.usage.cold);
  EXPECT_GT(second.usage.memory_bytes, 0U);
}

TEST_F(KeptPython, TakesLargeInputsAgainAndAgain) {
  prepare();
  const std::string input = ":pass #" + std::string(3'000'000, 'x');
  for (const char* const count : {"1", "2", "3"}) EXPECT_EQ(again(input).output, count);
}

TEST_F(Python, ForksProcessesAheadOfTheirCalls) {
  const std::string name = "ahead-" + std::to_string(getpid());
  const Function made =
      function("import os\nopen('/proc/self/comm', 'w').write('" + name +
               "')\ncount = 0\n"
               "def handle(r):\n"
               "  global count\n"
               "  count += 1\n"
               "  return [count, os.getpid(), os.listdir('/tmp'), open('/tmp/x', 'w').fileno()]\n");
  const auto ready = runtime_->prepare(made);
  ASSERT_TRUE(ready);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run(made, **ready, "").output, "[1, 1, [], 4]");
  const Time deadline = system_clock().now() + seconds(30);
  // The warmed process, its helper, and two that wait.
  while (states_of(name).size() != 4 && system_clock().now() < deadline) core_->poll();
  EXPECT_EQ(states_of(name).size(), 4U);
  (*ready)->unload(*core_);
  while (!states_of(name).empty() && system_clock().now() < deadline) core_->poll();
  EXPECT_EQ(states_of(name), "");
}

TEST_F(KeptPython, SharesNothingWithAnotherFunctionOfTheSameCode) {
  prepare();
  EXPECT_EQ(again(":open('/tmp/left', 'w').close()").output, "1");
  Function other = function_;
  other.name = {"test", "other"};
  EXPECT_EQ(call(*own_, other, ":print(os.listdir('/tmp'))").output, "1");
  EXPECT_EQ(log_.text(), "call 1\n[]\n");
  EXPECT_EQ(again().output, "2");
  other = function_;
  ++other.version;
  EXPECT_EQ(call(*own_, other).output, "1");
}

TEST_F(KeptPython, IsStoppedBetweenItsCalls) {
  prepare();
  EXPECT_EQ(again(name_).output, "1");
  EXPECT_TRUE(becomes(name_, "T"));
  EXPECT_EQ(again(name_).output, "2");
}

TEST_F(KeptPython, IsReplacedAfterSoManyCalls) {
  RuntimeOptions options;
  options.kept_calls = 2;
  prepare(std::move(options));
  for (const char* const count : {"1", "2", "1", "2", "1"}) EXPECT_EQ(again().output, count);
}

TEST_F(KeptPython, IsReplacedWhenACallOfItFails) {
  prepare();
  EXPECT_EQ(again().output, "1");
  EXPECT_TRUE(failed_with(again(":raise ValueError('bad')"), Code::function_failed, "ValueError: bad"));
  EXPECT_EQ(again().output, "1");
  EXPECT_TRUE(failed_with(again(":sys.exit(3)"), Code::function_failed, "status 3"));
  EXPECT_EQ(again().output, "1");
  timeout_ = seconds(2);
  EXPECT_TRUE(failed_with(again(":sum(iter(int, 1))"), Code::deadline, "while it ran"));
  timeout_.reset();
  EXPECT_EQ(again().output, "1");
  EXPECT_TRUE(failed_with(again(":x = b'x' * (200 << 20)"), Code::limit, "memory"));
  EXPECT_EQ(again().output, "1");
}

TEST_F(KeptPython, IsReplacedWhenItAnswersTwice) {
  prepare();
  const std::string_view forged = R"(:os.write(3, b'R\x0b\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x03\0\0\x00200R')";
  EXPECT_EQ(again(std::string(forged) + "); time.sleep(60)").output, "");
  EXPECT_EQ(again().output, "1");
}

TEST_F(KeptPython, EndsTheProcessesThatACallHasStarted) {
  prepare();
  EXPECT_EQ(again(":subprocess.Popen(['/bin/sleep', '600'], start_new_session=True)").output, "1");
  EXPECT_EQ(again(":print([name for name in os.listdir('/proc') if name.isdigit()])").output, "2");
  EXPECT_EQ(log_.text(), "call 2\n['1']\n");
}

TEST_F(KeptPython, EndsWhenItWaitsTooLong) {
  RuntimeOptions options;
  options.kept_idle = milliseconds(1);
  prepare(std::move(options));
  EXPECT_EQ(again(name_).output, "1");
  EXPECT_TRUE(becomes(name_, ""));
}

TEST_F(KeptPython, EndsWithItsWarmedProcess) {
  prepare();
  EXPECT_EQ(again(name_).output, "1");
  ready_->unload(*core_);
  EXPECT_TRUE(becomes(name_, ""));
  EXPECT_EQ(again().output, "1");
}

TEST_F(KeptPython, IsRefusedANumberThatIsNone) {
  function_.env["CANOPY_KEEP_WARM"] = "many";
  const auto checked = runtime_->check(function_, counting);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Code::refused);
  EXPECT_NE(checked.error().message.find("keep_warm"), std::string::npos);
}

}  // namespace
}  // namespace canopy::python
