// Functions that are pickles, with the standard library's pickle in dill's place: what real dill does is in
// tests/e2e/builders.py. The processes of these functions are this program, as runtime_test.cc arranges.
#include <filesystem>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/sha256.h"
#include "python/runtime.h"
#include "wire/base64.h"
#include "wire/manifest.h"
#include "wire/pickle.h"

namespace canopy::python {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const std::string adds =
    "\x80\x02"
    "c_operator\nadd\n.";
const std::string divides =
    "\x80\x02"
    "c_operator\ntruediv\n.";
const std::string two_and_three = "\x80\x02K\x02K\x03\x86}\x86.";

class Serialised : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("canopy-serialised-test-" + std::to_string(getpid()));
    fs::create_directories(folder_ / "path");
    write("path/dill.py", "from pickle import *\n");
    write("path/by_name.py", "def double(n): return n * 2\n");
    start({folder_ / "path"});
    const auto found = runtime_->check({}, "def handle(request): pass\n");
    if (!found) GTEST_SKIP() << found.error().message;
  }
  void TearDown() override {
    runtime_.reset();
    fs::remove_all(folder_);
  }

  void start(std::vector<fs::path> path) {
    RuntimeOptions options;
    options.folder = folder_ / "python";
    options.find_code = [this](std::string_view digest) -> Result<fs::path> { return folder_ / digest; };
    options.path = std::move(path);
    runtime_ = make_runtime(std::move(options), {&core_}, pool_);
  }

  void write(const fs::path& name, std::string_view content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }

  Function function(std::string_view code) const {
    Function made;
    made.name = {"test", "serialised"};
    made.version = 1;
    made.runtime = "python";
    made.digest = sha256_hex(code);
    made.limits.timeout = std::chrono::minutes(5);  // A busy machine is no failure.
    write(made.digest, code);
    return made;
  }

  std::string refusal(std::string_view code) { return refusal_of(function(code)); }
  std::string refusal_of(const Function& made) {
    const auto ready = runtime_->prepare(made);
    return ready ? "" : std::string(name(ready.error().code)) + ": " + ready.error().message;
  }

  Reply call(std::string_view code, std::string_view input) {
    const Function made = function(code);
    const auto ready = runtime_->prepare(made);
    EXPECT_TRUE(ready) << ready.error().message;
    if (!ready) return {};
    Call call;
    call.function = &made;
    call.queued = core_.clock().now();
    call.deadline = call.queued + made.limits.timeout;
    call.input = input;
    const auto instance = (*ready)->start(core_);
    std::optional<Reply> reply;
    net::asio::co_spawn(core_.io(), instance->run(call), [&](const std::exception_ptr& error, Reply got) {
      if (error) std::rethrow_exception(error);
      reply = std::move(got);
      core_.stop();
    });
    core_.io().restart();
    core_.run();
    return *std::move(reply);
  }

  fs::path folder_;
  exec::Core core_{0, system_clock()};
  net::BlockingPool pool_{1, 16};
  std::unique_ptr<exec::Runtime> runtime_;
};

TEST_F(Serialised, AnswersInTheFormThatItIsAskedIn) {
  const Reply raw = call(adds, two_and_three);
  ASSERT_FALSE(raw.error) << raw.error->message;
  EXPECT_TRUE(raw.output.ends_with("K\x05.")) << raw.output;
  const Reply text = call(adds, wire::write_base64(two_and_three));
  ASSERT_FALSE(text.error) << text.error->message;
  EXPECT_EQ(wire::read_base64(text.output), raw.output);
  EXPECT_TRUE(text.output.ends_with('\n'));
}

TEST_F(Serialised, ImportsWhatTravelsByName) {
  const Reply reply = call(
      "\x80\x02"
      "cby_name\ndouble\n.",
      "\x80\x02K\x07\x85}\x86.");
  ASSERT_FALSE(reply.error) << reply.error->message;
  EXPECT_TRUE(reply.output.ends_with("K\x0e.")) << reply.output;
}

TEST_F(Serialised, KeepsWhatWasRaised) {
  const Reply reply = call(divides, "\x80\x02K\x01K\x00\x86}\x86."s);
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::function_failed);
  EXPECT_TRUE(reply.error->message.starts_with("ZeroDivisionError: division by zero\n"))
      << reply.error->message;
  EXPECT_TRUE(wire::check_pickle(reply.raised));
  EXPECT_NE(reply.raised.find("ZeroDivisionError"), std::string::npos);
}

TEST_F(Serialised, FailsByArgumentsThatAreNone) {
  for (const auto& [input, words] :
       {std::pair("payload"s, "Incorrect padding"), std::pair(""s, "Ran out of input"),
        std::pair("\x80\x02K\x01."s, "cannot unpack non-iterable int object"),
        std::pair("\x80\x02K"s, "pickle data was truncated"),
        std::pair("\x80\x02K\x01\x85}\x86."s, "expected 2 arguments")}) {
    const Reply reply = call(adds, input);
    ASSERT_TRUE(reply.error) << input;
    EXPECT_EQ(reply.error->code, Code::function_failed);
    EXPECT_NE(reply.error->message.find(words), std::string::npos) << reply.error->message;
  }
}

TEST_F(Serialised, IsRefusedWhereItIsNoFunction) {
  EXPECT_EQ(refusal("\x80\x02K\x07."),
            "refused: the function cannot be imported: TypeError: Payload is not callable\n");
  EXPECT_EQ(
      refusal("\x80\x02"
              "cno_such_module\nf\n."),
      "refused: the function cannot be imported: ModuleNotFoundError: No module named 'no_such_module'\n");
  EXPECT_EQ(runtime_->check({}, "\x80\x02K").error().message, "pickle data was truncated");
  EXPECT_EQ(runtime_->check({}, "\x80\x02K").error().code, Code::refused);
}

TEST_F(Serialised, NotesItsVersionOfPythonAndRefusesAnother) {
  Function made = function(adds);
  const std::string variable(wire::python_version_variable);
  runtime_->bind(made, adds);
  ASSERT_TRUE(made.env.contains(variable));
  EXPECT_EQ(refusal_of(made), "");
  EXPECT_TRUE(runtime_->check(made, adds));
  made.env[variable] = "3.2";
  EXPECT_NE(runtime_->check(made, adds)
                .error()
                .message.find("was serialised by Python 3.2, and functions run here"),
            std::string::npos);
  runtime_->bind(made, adds);
  EXPECT_EQ(made.env[variable], "3.2") << "who deploys knows better";
  made.env.clear();
  runtime_->bind(made, "def handle(r): pass\n");
  EXPECT_TRUE(made.env.empty()) << "a source is of any version";
}

TEST_F(Serialised, SaysHowToGetDill) {
  start({});
  const std::string words = refusal(adds);
  if (words.empty()) GTEST_SKIP() << "the machine's Python has dill";
  EXPECT_TRUE(words.starts_with("unavailable: the function is serialised with dill")) << words;
  EXPECT_NE(words.find("-m pip install dill"), std::string::npos) << words;
  EXPECT_NE(words.find("--python-path"), std::string::npos) << words;
}

}  // namespace
}  // namespace canopy::python
