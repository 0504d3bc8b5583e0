// Python functions end to end: source in, replies out, with this program as what starts their processes.
#include "python/runtime.h"

#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "python/child.h"
#include "python/python_fixture.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The processes of functions are this program too: it becomes one before any test.
const bool is_parent = [] {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  const int count = static_cast<int>(arguments.size());
  if (is_python_child(count, arguments.data())) _exit(python_child(count, arguments.data()));
  return true;
}();

TEST_F(Python, AnswersWithWhatTheHandlerReturns) {
  const Reply reply = call("def handle(request):\n  return 'Hello, ' + request.text\n", "world");
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.output, "Hello, world");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at(0).value, "text/plain; charset=utf-8");
  EXPECT_GT(reply.usage.memory_bytes, 0U);
}

TEST_F(Python, TakesStatusAndHeadersFromATuple) {
  const Reply reply = call("def handle(request):\n  return b'x', 201, {'X-Own': 'yes'}\n");
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.headers.at(0).name, "X-Own");
  EXPECT_EQ(reply.output, "x");
}

TEST_F(Python, TakesStatusAndHeadersFromADictionary) {
  const Reply reply = call(
      "def handle(event, context):\n"
      "  return {'statusCode': 404, 'headers': {'X-Version': context.version}, 'body': context.function}\n");
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.headers.at(0).value, "3");
  EXPECT_EQ(reply.output, "test/python");
}

TEST_F(Python, SendsOtherValuesAsJson) {
  const Reply reply = call("def handle():\n  return {'a': [1, None]}\n");
  EXPECT_EQ(reply.output, R"({"a": [1, null]})");
  EXPECT_EQ(reply.headers.at(0).value, "application/json");
}

TEST_F(Python, SeesAllOfTheRequest) {
  const Reply reply = call(
      "import os\n"
      "def handle(r):\n"
      "  return [r.method, r.path, r.query['name'], r.headers['x-test'], r.json()['k'], "
      "os.environ['GREETING']]\n",
      R"({"k": 7})");
  EXPECT_EQ(reply.output, R"(["POST", "/a/b", "x y", "value", 7, "hello"])");
}

TEST_F(Python, TakesLargeInputAndGivesLargeOutput) {
  const std::string input(3'000'000, 'x');
  const Reply reply = call("def handle(request):\n  return request.body\n", input);
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.output, input);
}

TEST_F(Python, PrintsIntoTheLogOfTheCall) {
  call("import os\ndef handle(r):\n  print('printed')\n  os.write(2, b'written')\n");
  EXPECT_EQ(log_.text(), "printed\nwritten");
}

TEST_F(Python, LogsWithTheLibraryForIt) {
  call("import logging\ndef handle(r):\n  logging.getLogger('own').info('a word')\n");
  EXPECT_EQ(log_.text(), "INFO own: a word\n");
}

TEST_F(Python, TellsAnExceptionWithItsTraceback) {
  const Reply reply = call("def inner():\n  raise ValueError('bad')\ndef handle(r):\n  inner()\n");
  EXPECT_TRUE(failed_with(reply, Code::function_failed, "ValueError: bad\nTraceback"));
  EXPECT_TRUE(failed_with(reply, Code::function_failed, "\"/function/handler.py\", line 2, in inner"));
  EXPECT_NE(log_.text().find("ValueError: bad"), std::string::npos);
}

TEST_F(Python, TellsAnExceptionThatUtf8CannotSay) {
  const Reply reply = call("def handle(r):\n  raise ValueError('\\ud800\\udcff')\n");
  EXPECT_TRUE(failed_with(reply, Code::function_failed, "ValueError: \\ud800"));
}

TEST_F(Python, TellsAMessageFromItsTracebackWhereNoLineOfItsOwnRan) {
  const Reply reply = call("def handle(r):\n  return object(), 101\n");
  EXPECT_TRUE(failed_with(reply, Code::function_failed, "not 101\nTraceback (most recent call last):\n"));
}

TEST_F(Python, TellsAStatusThatItEndsWith) {
  EXPECT_TRUE(
      failed_with(call("import os\ndef handle(r):\n  os._exit(3)\n"), Code::function_failed, "status 3"));
  EXPECT_TRUE(
      failed_with(call("import sys\ndef handle(r):\n  sys.exit(4)\n"), Code::function_failed, "status 4"));
  EXPECT_TRUE(
      failed_with(call("import os\ndef handle(r):\n  os._exit(0)\n"), Code::died, "before it had answered"));
}

TEST_F(Python, TellsASignalThatEndedIt) {
  const Reply reply = call("import ctypes\ndef handle(r):\n  ctypes.string_at(1)\n");
  EXPECT_TRUE(failed_with(reply, Code::died, "SIGSEGV"));
}

TEST_F(Python, EndsAtItsDeadlineInAnEndlessLoop) {
  Function made = function("def handle(r):\n  sum(iter(int, 1))\n");
  made.limits.timeout = milliseconds(600);
  const Reply reply = call(made);
  EXPECT_TRUE(failed_with(reply, Code::deadline, "the deadline passed"));
}

TEST_F(Python, EndsWhenItIsCancelled) {
  cancel_ = true;
  EXPECT_TRUE(
      failed_with(call("import time\ndef handle(r):\n  time.sleep(60)\n"), Code::canceled, "cancelled"));
}

TEST_F(Python, EndsPastItsMemory) {
  EXPECT_TRUE(failed_with(call("def handle(r):\n  x = b'x' * (200 << 20)\n"), Code::limit, "memory"));
  EXPECT_TRUE(failed_with(call("import mmap\ndef handle(r):\n  x = mmap.mmap(-1, 300 << 20)\n"), Code::limit,
                          "memory"));
}

TEST_F(Python, EndsPastItsOutput) {
  Function made = function("def handle(r):\n  return b'x' * 2000\n");
  made.limits.output_bytes = 1000;
  EXPECT_TRUE(failed_with(call(made), Code::limit, "output"));
}

TEST_F(Python, CountsWhatTheLogHasNoRoomFor) {
  Function made = function("def handle(r):\n  print('x' * 1999)\n");
  made.limits.log_bytes = 1000;
  EXPECT_FALSE(call(made).error);
  EXPECT_EQ(log_.text().size(), 1000U);
  EXPECT_EQ(log_.dropped_bytes(), 1000U);
}

TEST_F(Python, EndsPastItsFiles) {
  const Reply reply = call("def handle(r):\n  files = [open('/dev/null') for i in range(100)]\n");
  EXPECT_TRUE(failed_with(reply, Code::limit, "64 files"));
}

TEST_F(Python, EndsPastItsProcesses) {
  const Reply forks = call(
      "import os, time\n"
      "def handle(r):\n"
      "  for i in range(100):\n"
      "    if os.fork() == 0: time.sleep(60)\n");
  EXPECT_TRUE(failed_with(forks, Code::limit, "processes"));
  const Reply threads = call(
      "import threading, time\n"
      "def handle(r):\n"
      "  for i in range(100): threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n");
  EXPECT_TRUE(failed_with(threads, Code::limit, "processes"));
}

// All its calls together may have many more.
TEST_F(Python, StartsFewProcessesWhileItIsImported) {
  RuntimeOptions options;
  options.folder = folder_ / "python-many";
  options.find_code = [](std::string_view digest) -> Result<fs::path> { return folder_ / digest; };
  options.calls_max = 64;
  const auto runtime = make_runtime(std::move(options), {core_}, *pool_);
  const auto made =
      runtime->prepare(function("import os, signal\n"
                                "for count in range(1000):\n"
                                "  if os.fork() == 0: signal.pause()\n"));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("Resource temporarily unavailable"), std::string::npos)
      << made.error().message;
}

TEST_F(Python, EndsPastItsTmp) {
  Function made = function("def handle(r):\n  open('/tmp/big', 'wb').write(b'x' * (2 << 20))\n");
  made.limits.tmp_bytes = MiB;
  EXPECT_TRUE(failed_with(call(made), Code::limit, "/tmp"));
}

TEST_F(Python, LeavesNothingToTheNextCall) {
  const std::string_view source =
      "import os\n"
      "count = 0\n"
      "def handle(r):\n"
      "  global count\n"
      "  count += 1\n"
      "  found = os.listdir('/tmp')\n"
      "  open('/tmp/left', 'w').close()\n"
      "  return [count, found]\n";
  EXPECT_EQ(call(source).output, "[1, []]");
  EXPECT_EQ(call(source).output, "[1, []]");
}

TEST_F(Python, IsWarmAfterItsFirstCall) {
  const Function made = function("x = 1\ndef handle(r):\n  pass\n");
  const auto ready = runtime_->prepare(made);
  ASSERT_TRUE(ready);
  const Usage cold = run(made, **ready, "").usage;
  EXPECT_TRUE(cold.cold);
  EXPECT_GT(cold.start_time, Duration::zero());
  EXPECT_EQ(cold.queue_time() + cold.start_time, cold.wait_time);
  const Usage warm = run(made, **ready, "").usage;
  EXPECT_FALSE(warm.cold);
  EXPECT_EQ(warm.start_time, Duration::zero());
  EXPECT_GT((*ready)->resident_bytes(*core_), 0U);
  (*ready)->unload(*core_);
  EXPECT_EQ((*ready)->resident_bytes(*core_), 0U);
  EXPECT_TRUE(run(made, **ready, "").usage.cold);
}

TEST_F(Python, EndsTheLeastRecentlyUsedWarmedProcess) {
  std::vector<std::shared_ptr<exec::Template>> all;
  for (int i = 0; i < 3; ++i) {
    const Function made = function("def handle(r):\n  return " + std::to_string(i) + "\n");
    all.push_back(*runtime_->prepare(made));
    EXPECT_EQ(run(made, *all.back(), "").output, std::to_string(i));
  }
  EXPECT_EQ(all[0]->resident_bytes(*core_), 0U);
  EXPECT_GT(all[2]->resident_bytes(*core_), 0U);
}

TEST_F(Python, StartsAnewWhenItsVariablesChange) {
  Function made = function("import os\nseen = os.environ['GREETING']\ndef handle(r):\n  return seen\n");
  EXPECT_EQ(call(made).output, "hello");
  made.env["GREETING"] = "changed";
  EXPECT_EQ(call(made).output, "changed");
}

TEST_F(Python, SeesItsOwnFilesAndModules) {
  Function made =
      function("import own.part\ndef handle(r):\n  return own.part.word + open('data.txt').read()\n");
  made.files = {{.path = "own/part.py", .digest = put("word = 'a '\n"), .size_bytes = 12},
                {.path = "data.txt", .digest = put("file"), .size_bytes = 4}};
  EXPECT_EQ(call(made).output, "a file");
}

TEST_F(Python, RefusesWhatCannotBeImported) {
  EXPECT_NE(refusal("import nowhere_to_be_found\n").find("No module named 'nowhere_to_be_found'"),
            std::string::npos);
  EXPECT_NE(refusal("def handle(:\n").find("SyntaxError"), std::string::npos);
  EXPECT_NE(refusal("x = 1\n").find("write `def handle(request):`"), std::string::npos);
  EXPECT_NE(refusal("async def handle(r):\n  pass\n").find("asyncio.run()"), std::string::npos);
  EXPECT_NE(refusal("import os\nos._exit(0)\n").find("refused"), std::string::npos);
}

TEST_F(Python, ChecksASourceBeforeItIsKept) {
  const auto code = [](std::string_view source) { return runtime_->check({}, source).error().code; };
  EXPECT_EQ(code(" \n"), Code::refused);
  EXPECT_EQ(code("x = '\xff'"), Code::refused);
  EXPECT_EQ(code(std::string_view("x\0y", 3)), Code::refused);
}

TEST_F(Python, RefusesTheNetworkUnlessTheServerAllowsIt) {
  Function made = function("def handle(r):\n  pass\n");
  made.env["CANOPY_FETCH"] = "*";
  EXPECT_NE(runtime_->check(made, "x = 1").error().message.find("may not use the network here"),
            std::string::npos);
  made.env["CANOPY_FETCH"] = "example.com";
  EXPECT_NE(runtime_->check(made, "x = 1").error().message.find("all of the network"), std::string::npos);
}

TEST_F(Python, ReachesTheMachineWhereManifestAndServerSaySo) {
  const Descriptor peer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(peer.get(), plain, size) + listen(peer.get(), 8) + getsockname(peer.get(), plain, &size), 0);
  Function made = function(
      "import socket\n"
      "def handle(r):\n"
      "  try:\n"
      "    with socket.create_connection(('127.0.0.1', int(r.text)), timeout=5): return 'connected'\n"
      "  except OSError as error: return type(error).__name__\n");
  const std::string port = std::to_string(ntohs(address.sin_port));
  RuntimeOptions options;
  options.network = true;
  const auto open_runtime = make(2, std::move(options));
  EXPECT_EQ(call(*open_runtime, made, port).output, "OSError");
  made.env["CANOPY_FETCH"] = "*";
  EXPECT_EQ(call(*open_runtime, made, port).output, "connected");
  EXPECT_EQ(call(made, port).output, "OSError");  // Of a server that was started without it since.
}

TEST_F(Python, SweepsWhatNobodyNeedsAnyMore) {
  const Function made = function("def handle(r):\n  return 'swept'\n");
  ASSERT_TRUE(runtime_->prepare(made));
  ASSERT_NE(runtime_->find(made), nullptr);
  ASSERT_TRUE(runtime_->sweep({runtime_->made_name(made)}, seconds(0)));
  EXPECT_NE(runtime_->find(made), nullptr);
  ASSERT_TRUE(runtime_->sweep({}, seconds(0)));
  EXPECT_EQ(runtime_->find(made), nullptr);
}

// Nor for what is being installed, in which the same is looked at.
TEST_F(Python, AServerThatStopsWaitsForNoImport) {
  RuntimeOptions options;
  options.import_timeout = std::chrono::hours(1);
  const auto own = make(2, std::move(options));
  std::jthread stops([&own] { own->stop(); });
  const auto made = own->prepare(function("import time\ntime.sleep(3000)\ndef handle(r):\n  return ''\n"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::unavailable);
  EXPECT_NE(made.error().message.find("the server stops"), std::string::npos) << made.error().message;
}

TEST(PythonInterpreter, CanBeSwitchedOff) {
  const auto found = find_interpreter("off");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("--python=off"), std::string::npos);
}

TEST(PythonInterpreter, IsMissedInOneSentence) {
  const auto found = find_interpreter("python3-that-is-nowhere");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("'python3-that-is-nowhere' is none"), std::string::npos);
  const auto named = find_interpreter("/nowhere/python3");
  ASSERT_FALSE(named);
  EXPECT_NE(named.error().message.find("with --python"), std::string::npos) << named.error().message;
}

}  // namespace
}  // namespace canopy::python
