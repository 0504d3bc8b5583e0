// What the WebAssembly runtime makes of code before any call: what it refuses, freezes, makes anew and
// sweeps.

#include "wasm/runtime_fixture.h"

namespace canopy::wasm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(WasmRuntimeTest, FreezesTheStartUpOfAReactor) {
  const Function reactor = function(R"((memory (export "memory") 1)
      (func (export "_initialize") (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (i32.const 65))))
      (func (export "canopy_init") (i32.store8 (i32.const 9) (i32.const 66)))
      (func (export "canopy_handle") (call $output (i32.const 8) (i32.const 2))))");
  const auto plan =
      compile({.program = "/proc/self/exe", .code_folder = folder_}, reactor, folder_ / reactor.digest,
              folder_ / "out.cwasm", {"_initialize", "canopy_init", "canopy_handle"});
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->preinitialised) << plan->note;
  EXPECT_EQ(plan->entry_names, std::vector<std::string>{"canopy_handle"});
  EXPECT_EQ(call(reactor).output, "AB");
  EXPECT_EQ(call(reactor).output, "AB");
}

TEST_F(WasmRuntimeTest, RunsAStartUpThatAsksForTheTimeInEachCall) {
  const Function reactor = function(R"((memory (export "memory") 1)
      (func (export "_initialize") (i64.store (i32.const 8) (call $now)))
      (func (export "canopy_handle") (call $output (i32.const 8) (i32.const 8))))");
  const Reply first = call(reactor);
  ASSERT_FALSE(first.error) << first.error->message;
  clock_.advance(seconds(1));
  EXPECT_NE(call(reactor).output, first.output);
}

TEST_F(WasmRuntimeTest, RefusesAStartUpThatTraps) {
  const auto made = runtime_->prepare(function(R"((memory (export "memory") 1)
      (func $broken (unreachable)) (func (export "_initialize") (call $broken))
      (func (export "canopy_handle")))"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::refused);
  EXPECT_NE(made.error().message.find("in broken"), std::string::npos) << made.error().message;
}

TEST_F(WasmRuntimeTest, RefusesAnUnknownImportByName) {
  const auto made =
      runtime_->prepare(function(R"((import "nowhere" "nothing" (func)) (func (export "_start")))"));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::refused);
  EXPECT_NE(made.error().message.find("nothing"), std::string::npos);
}

TEST_F(WasmRuntimeTest, RefusesTypesThatDoNotFit) {
  for (const char* const wat : {R"((import "test" "input_size" (func (param f64))) (func (export "_start")))",
                                R"((func (export "canopy_handle") (param i32)))",
                                R"((func (export "_start") (result f64) (f64.const 1)))",
                                R"((func (export "canopy_init") (param i32)) (func (export "handle")))"}) {
    const auto made = runtime_->prepare(function(wat));
    ASSERT_FALSE(made) << wat;
    EXPECT_EQ(made.error().code, Code::refused) << made.error().message;
  }
}

TEST_F(WasmRuntimeTest, MakesAnewWhatIsNotWhole) {
  const Function hello = function(R"((memory (export "memory") 1) (data (i32.const 0) "hello")
      (func (export "_start") (call $output (i32.const 0) (i32.const 5))))");
  EXPECT_EQ(call(hello).output, "hello");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "compiled")) {
    if (entry.path().extension() == ".cwasm") std::filesystem::resize_file(entry.path(), 100);
  }
  EXPECT_FALSE(runtime_->find(hello));
  EXPECT_EQ(call(hello).output, "hello");
}

TEST_F(WasmRuntimeTest, MakesAnewWhatABitFlippedIn) {
  const Function hello = function(R"((memory (export "memory") 1) (data (i32.const 0) "hello")
      (func (export "_start") (call $output (i32.const 0) (i32.const 5))))");
  EXPECT_EQ(call(hello).output, "hello");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ / "compiled")) {
    if (entry.path().extension() != ".cwasm") continue;
    std::fstream file(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
    const auto middle = static_cast<std::streamoff>(entry.file_size() / 2);
    file.seekg(middle);
    const int byte = file.get();
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 0x10));
  }
  EXPECT_FALSE(runtime_->find(hello));
  EXPECT_EQ(call(hello).output, "hello");
}

TEST_F(WasmRuntimeTest, RefusesWhatDoesNotValidate) {
  Function broken = function(R"((func (export "_start")))");
  std::ofstream(folder_ / broken.digest, std::ios::binary)
      << std::string("\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\7\12\1\6_start\0\0\12\5\1\3\0\x6a\xb", 35);
  const auto made = runtime_->prepare(broken);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::refused) << made.error().message;
}

TEST_F(WasmRuntimeTest, RefusesWhatNoSlotOfThePoolCanHold) {
  std::string globals = R"((memory (export "memory") 1) (func (export "_start")))";
  for (int i = 0; i < 70'000; ++i) globals += "(global (mut i32) (i32.const 0))";  // More than 1 MiB of them.
  const auto refused = runtime_->prepare(function(globals));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::refused);
}

TEST_F(WasmRuntimeTest, RefusesInTheWordsOfTheModuleAsItWasSent) {
  const Function wrong = function(R"((memory (export "memory") 1) (func (export "_start")
      (memory.fill (i32.const 1) (i64.const 0) (memory.size))))");
  const auto made = runtime_->prepare(wrong);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::refused);
  EXPECT_NE(made.error().message.find("type mismatch"), std::string::npos) << made.error().message;
}

TEST_F(WasmRuntimeTest, EndsACompilationThatTakesTooLong) {
  std::string wat = "(memory 1)";
  for (int i = 0; i < 400; ++i) {
    wat += "(func ";
    for (int j = 0; j < 400; ++j)
      wat += "(i32.store (i32.const 4) (i32.add (i32.load (i32.const 4)) (i32.const 9)))";
    wat += ")";
  }
  const Function slow = function(wat + R"((func (export "_start")))");
  CompileOptions options{.program = "/proc/self/exe", .code_folder = folder_};
  options.timeout = milliseconds(20);
  const auto plan = compile(options, slow, folder_ / slow.digest, folder_ / "out.cwasm", {"_start"});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::limit);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.cwasm"));
}

TEST_F(WasmRuntimeTest, EndsACompilationThatTakesTooMuchMemory) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer's shadow of all address space counts as data, so no limit of it can be kept";
#endif
  const Function any = function(R"((func (export "_start")))");
  CompileOptions options{.program = "/proc/self/exe", .code_folder = folder_};
  options.memory_bytes = 1 * MiB;
  options.timeout = seconds(2);  // The compiler may hang on what it cannot allocate.
  const auto plan = compile(options, any, folder_ / any.digest, folder_ / "out.cwasm", {"_start"});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::limit) << plan.error().message;
}

// Neither one that closes its streams and goes on, nor one that does not read its job.
TEST_F(WasmRuntimeTest, WaitsForNoCompilerWithoutEnd) {
  Function any = function(R"((func (export "_start")))");
  for (int i = 0; i < 5000; ++i) any.files.push_back({"file" + std::to_string(i), std::string(64, 'a'), 1});
  const auto program = folder_ / "compiler";
  std::ofstream(program) << "#!/bin/sh\nexec >&-\nexec sleep 1000\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  CompileOptions options{.program = program, .code_folder = folder_};
  options.timeout = milliseconds(50);
  const auto plan = compile(options, any, folder_ / any.digest, folder_ / "out.cwasm", {"_start"});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Code::limit) << plan.error().message;
}

TEST_F(WasmRuntimeTest, SweepsWhatNobodyUses) {
  const Function first = function(R"((func (export "_start")))");
  const Function second = function(R"((func (export "_start") (nop)))");
  auto used = prepare(first);
  prepare(second);
  EXPECT_NE(runtime_->made_name(first), runtime_->made_name(second));
  EXPECT_EQ(runtime_->sweep({}, seconds(3600)), 0U);  // Young.
  const auto freed = runtime_->sweep({}, seconds(-3600));
  ASSERT_TRUE(freed);
  EXPECT_GT(*freed, 0U);
  EXPECT_EQ(runtime_->find(second), nullptr);
  EXPECT_FALSE(call(first).error) << "what a template is held of stays";
  used.reset();
  EXPECT_EQ(runtime_->sweep({runtime_->made_name(first)}, seconds(-3600)), 0U);
  EXPECT_NE(runtime_->find(first), nullptr);
}

}  // namespace
}  // namespace canopy::wasm
