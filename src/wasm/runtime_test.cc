// Calls of the WebAssembly runtime: what they may do, how they end, and what is left of them.

#include <future>

#include "wasm/runtime_fixture.h"

namespace canopy::wasm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(WasmRuntimeTest, RunsACommand) {
  const Function echo = function(R"((memory (export "memory") 1) (data (i32.const 8) "hello")
      (func (export "_start") (call $output (i32.const 8) (call $input_size)) (call $log (i32.const 8) (i32.const 4))))");
  const Reply reply = call(echo, "12345");
  EXPECT_FALSE(reply.error) << reply.error->message;
  EXPECT_EQ(reply.output, "hello");
  EXPECT_EQ(last_log_, "hell");
  EXPECT_EQ(reply.usage.memory_bytes, 64 * KiB);
  EXPECT_TRUE(reply.usage.cold);
}

TEST_F(WasmRuntimeTest, WaitsForItsModuleWhereThatIsNotLoaded) {
  const Function made = function(R"((func (export "_start")))");
  const auto from = prepare(made);
  std::promise<void> quick;  // Until then the disk is slow.
  pool_.post([wait = quick.get_future().share()] { wait.wait(); });
  Run cold;
  start(cold, made, from);
  core_.poll(10);
  clock_.advance(milliseconds(7));
  quick.set_value();
  finish(cold);
  ASSERT_TRUE(cold.reply);
  EXPECT_TRUE(cold.reply->usage.cold);
  EXPECT_EQ(cold.reply->usage.start_time, milliseconds(7));
  EXPECT_EQ(cold.reply->usage.wait_time, milliseconds(7));

  Run warm;
  start(warm, made, from);
  finish(warm);
  ASSERT_TRUE(warm.reply);
  EXPECT_EQ(warm.reply->usage.start_time, Duration::zero());
  EXPECT_FALSE(warm.reply->usage.hop_time);
}

TEST_F(WasmRuntimeTest, GivesEachCallAFreshInstance) {
  const Function counter = function(R"((memory (export "memory") 1) (global $g (mut i32) (i32.const 1))
      (data (i32.const 8) "0123456789")
      (func (export "canopy_handle") (result i32)
        (call $output (i32.add (i32.const 8) (i32.load8_u (i32.const 100))) (global.get $g))
        (i32.store8 (i32.const 100) (i32.const 5)) (global.set $g (i32.const 3)) (i32.const 0)))");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(call(counter).output, "0");
}

TEST_F(WasmRuntimeTest, SaysWhereAnExceptionWasThrown) {
  const Reply reply = call(function(
      R"((memory (export "memory") 1) (tag $t) (func $thrower (throw $t)) (func (export "_start") (call $thrower)))"));
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_EQ(reply.error->stage, Stage::run);
  EXPECT_EQ(reply.error->message.find("the function ended with an uncaught exception in thrower"), 0U)
      << reply.error->message;
  EXPECT_EQ(reply.error->message.find('\n'), std::string::npos);
}

TEST_F(WasmRuntimeTest, TrapsEndTheCallAlone) {
  const Function bad = function(R"((memory (export "memory") 1)
      (func $deep (drop (i32.load (i32.const -4)))) (func (export "_start") (call $deep)))");
  const Reply reply = call(bad);
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_NE(reply.error->message.find("out of bounds memory access in deep"), std::string::npos)
      << reply.error->message;
  EXPECT_FALSE(call(function(R"((func (export "_start")))")).error);
}

TEST_F(WasmRuntimeTest, EndsARecursionWithoutEnd) {
  const Reply reply = call(function(R"((func $f (call $f) (call $f)) (func (export "_start") (call $f)))"));
  ASSERT_TRUE(reply.error);
  EXPECT_NE(reply.error->message.find("stack overflow"), std::string::npos) << reply.error->message;
}

TEST_F(WasmRuntimeTest, SaysWithWhichCodeAGuestEnded) {
  const Reply three = call(function(R"((func (export "_start") (call $exit (i32.const 3)) unreachable))"));
  ASSERT_TRUE(three.error);
  EXPECT_EQ(three.error->code, Code::function_failed);
  EXPECT_EQ(three.exit_code, 3);
  EXPECT_FALSE(call(function(R"((func (export "_start") (call $exit (i32.const 0)) unreachable))")).error);
  const Reply result = call(function(R"((func (export "canopy_handle") (result i32) (i32.const 7)))"));
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.exit_code, 7);
}

TEST_F(WasmRuntimeTest, KeepsTheErrorOfAHostFunction) {
  const Reply reply = call(function(R"((func (export "_start") (call $fail)))"));
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::limit);
  EXPECT_EQ(reply.error->message, "past a limit");
}

TEST_F(WasmRuntimeTest, RefusesMemoryBeyondTheLimit) {
  Function greedy = function(R"((memory (export "memory") 1) (data (i32.const 0) "yn")
      (func (export "_start") (call $output (i32.eq (memory.grow (i32.const 10)) (i32.const -1)) (i32.const 1))))");
  EXPECT_EQ(call(greedy).output, "y");
  greedy.limits.memory_bytes = 128 * KiB;
  EXPECT_EQ(call(greedy).output, "n");
}

TEST_F(WasmRuntimeTest, SuspendsAGuestThatWaits) {
  const Function sleeper = function(R"((memory (export "memory") 1)
      (func (export "_start") (i32.store8 (i32.const 8) (call $sleep_ms (i32.const 500)))
        (call $output (i32.const 8) (i32.const 1))))");
  const auto made = prepare(sleeper);
  std::array<Run, 10> runs;
  for (Run& run : runs) start(run, sleeper, made);
  while (core_.waiting_count() < runs.size()) core_.io().run_one_for(milliseconds(10));
  for (const Run& run : runs) EXPECT_FALSE(run.reply);
  clock_.advance(milliseconds(500));
  for (Run& run : runs) {
    finish(run);
    EXPECT_EQ(run.reply->output, "*");
  }
}

TEST_F(WasmRuntimeTest, EndsASleeperAtItsDeadline) {
  const Function sleeper = function(R"((func (export "_start") (drop (call $sleep_ms (i32.const 60000)))))");
  const auto made = prepare(sleeper);
  Run run;
  start(run, sleeper, made);
  while (core_.waiting_count() == 0) core_.io().run_one_for(milliseconds(10));
  clock_.advance(seconds(10));
  finish(run);
  ASSERT_TRUE(run.reply->error);
  EXPECT_EQ(run.reply->error->code, Code::deadline);
  EXPECT_EQ(run.reply->error->stage, Stage::run);
}

TEST_F(WasmRuntimeTest, EndsALoopAtItsDeadlineWhileOthersRun) {
  const Function loop = function(R"((func (export "_start") (loop (br 0))))");
  const Function quick = function(R"((func (export "_start")))");
  const auto loops = prepare(loop);
  Run endless;
  start(endless, loop, loops);
  while (core_.runnable_count() == 0) core_.io().run_one_for(milliseconds(10));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(call(quick).error);
  EXPECT_FALSE(endless.reply);
  clock_.advance(seconds(10));
  finish(endless);
  ASSERT_TRUE(endless.reply->error);
  EXPECT_EQ(endless.reply->error->code, Code::deadline);
}

// One instruction would otherwise be one piece of time, past every deadline. A machine that lets the ticker
// wait for as long as the whole takes shows nothing, so it may try again.
TEST_F(WasmRuntimeTest, EndsALongInstructionAtItsDeadline) {
  for (const std::string instruction :
       {"(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3f000000))",
        "(memory.copy (i32.const 0x1f800000) (i32.const 0) (i32.const 0x1f800000))"}) {
    Function wide =
        function(R"((memory (export "memory") 0x3f00) (func (export "_start") )" + instruction + ")");
    wide.limits.memory_bytes = GiB;
    const auto made = prepare(wide);
    ASSERT_TRUE(made);
    bool ended_early = false;
    for (int tries = 0; tries < 20 && !ended_early; ++tries) {
      Run run;
      start(run, wide, made);
      while (!run.reply && core_.runnable_count() == 0) {
        if (core_.poll(1) == 0) core_.io().run_one_for(milliseconds(1));
      }
      clock_.advance(seconds(11));
      finish(run);
      ended_early = run.reply->error && run.reply->error->code == Code::deadline;
    }
    EXPECT_TRUE(ended_early) << instruction;
  }
}

// It goes back to the kernel in several turns, and all of it does.
TEST_F(WasmRuntimeTest, LeavesNothingInALargeMemory) {
  Function large = function(R"((memory (export "memory") 1024) (data (i32.const 8) "a")
      (func (export "_start") (local $at i32)
        (i32.store8 (i32.const 9) (i32.const 48))
        (loop $more
          (i32.store8 (i32.const 9) (i32.add (i32.load8_u (i32.const 9)) (i32.load8_u offset=100 (local.get $at))))
          (i32.store8 offset=100 (local.get $at) (i32.const 1))
          (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 0x3fff000))))
        (call $output (i32.const 8) (i32.const 2))
        (i32.store8 (i32.const 8) (i32.const 66)) ))");
  const auto drain = [this] {
    while (core_.runnable_count() > 0) core_.poll(1);
  };
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(call(large).output, "a0");
    drain();  // So that the next has the same slot.
  }
  const auto made = prepare(large);
  for (int steps = 0; steps < 20; ++steps) {  // Cancelled, at whatever point of its life that is.
    Run run;
    start(run, large, made);
    for (int i = 0; i < steps && !run.reply; ++i) core_.poll(1);
    run.instance->cancel();
    finish(run);
  }
  drain();
  EXPECT_EQ(call(large).output, "a0");
  EXPECT_EQ(call(large).output, "a0");  // And what is left of that one goes with the engine.
}

TEST_F(WasmRuntimeTest, SaysWhichLongInstructionTrapped) {
  const Reply reply = call(function(R"((memory (export "memory") 1) (func $far (export "_start")
      (memory.fill (i32.const 1) (i32.const 0) (memory.grow (i32.const 0xffff)))))"));
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_NE(reply.error->message.find("out of bounds memory access in memory.fill"), std::string::npos)
      << reply.error->message;
  EXPECT_NE(reply.error->message.find("called by far"), std::string::npos) << reply.error->message;
}

TEST_F(WasmRuntimeTest, BoundsTheExceptionsThatAGuestKeeps) {
  Function keeper =
      function(R"((memory (export "memory") 1) (tag $t (param i64 i64)) (table $kept 100000 exnref)
      (func (export "_start") (local $i i32)
        (loop $more
          (table.set $kept (local.get $i)
            (block $caught (result exnref)
              (try_table (result exnref) (catch_all_ref $caught) (throw $t (i64.const 1) (i64.const 2)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $i) (i32.const 100000))))))");
  keeper.limits.memory_bytes = 1 * MiB;
  const Reply reply = call(keeper);
  ASSERT_TRUE(reply.error);
  EXPECT_EQ(reply.error->code, Code::limit) << reply.error->message;
  EXPECT_NE(reply.error->message.find("exceptions"), std::string::npos) << reply.error->message;
  keeper.limits.memory_bytes = 64 * MiB;
  const Reply enough = call(keeper);
  EXPECT_FALSE(enough.error) << enough.error->message;
}

TEST_F(WasmRuntimeTest, CancelsARunningCall) {
  const Function loop = function(R"((func (export "_start") (loop (br 0))))");
  const auto made = prepare(loop);
  Run run;
  start(run, loop, made);
  while (core_.runnable_count() == 0) core_.io().run_one_for(milliseconds(10));
  run.instance->cancel();
  finish(run);
  ASSERT_TRUE(run.reply->error);
  EXPECT_EQ(run.reply->error->code, Code::canceled);
}

TEST_F(WasmRuntimeTest, RefusesOneInstanceMoreThanThereAreSlots) {
  const Function sleeper = function(R"((func (export "_start") (drop (call $sleep_ms (i32.const 100)))))");
  const auto made = prepare(sleeper);
  std::array<Run, 17> runs;
  for (Run& run : runs) start(run, sleeper, made);
  while (core_.waiting_count() < 16 || core_.poll() > 0) core_.io().run_one_for(milliseconds(10));
  std::size_t refused = 0;
  for (const Run& run : runs) {
    if (run.reply && run.reply->error && run.reply->error->code == Code::unavailable) ++refused;
  }
  EXPECT_EQ(refused, 1);
  clock_.advance(seconds(1));
  for (Run& run : runs) finish(run);
}

// With slots enough for eight calls to share a store. Twice as many would reserve 5 TiB of addresses, and of
// those ThreadSanitizer leaves between 5 and 6, by where the kernel put the program.
class WasmSharedStoreTest : public WasmRuntimeTest {
 protected:
  WasmSharedStoreTest() { instances_max_ = 512; }
};

// Their stores are dropped when the answers of a round are sent, or when somebody needs the slots.
TEST_F(WasmRuntimeTest, CallsThatEndedInThisRoundHoldNobodyUp) {
  const Function one = function(R"((func (export "_start")))");
  const auto made = prepare(one);
  call(one);  // Loads it.
  std::array<Run, 100> runs;
  for (Run& run : runs) start(run, one, made);
  while (core_.poll(1) > 0) continue;
  for (Run& run : runs) {
    ASSERT_TRUE(run.reply);
    EXPECT_FALSE(run.reply->error) << run.reply->error->message;
  }
}

// Calls may share a store, and nothing else.
TEST_F(WasmSharedStoreTest, CallsOfOneRoundShareNeitherMemoryNorGlobalsNorTables) {
  const Function marks = function(R"((memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
      (table $t 4 funcref) (elem declare func $mark) (func $mark)
      (func (export "_start")
        (if (i32.load (i32.const 64)) (then (call $exit (i32.const 3))))
        (if (i32.load (i32.const 60000)) (then (call $exit (i32.const 4))))
        (if (global.get $g) (then (call $exit (i32.const 5))))
        (if (i32.eqz (ref.is_null (table.get $t (i32.const 1)))) (then (call $exit (i32.const 6))))
        (i32.store (i32.const 64) (i32.const 7)) (i32.store (i32.const 60000) (i32.const 7))
        (global.set $g (i32.const 7)) (table.set $t (i32.const 1) (ref.func $mark))
        (call $output (i32.const 64) (i32.const 4))))");
  const auto made = prepare(marks);
  call(marks);
  for (int round = 0; round < 20; ++round) {
    std::array<Run, 50> runs;
    for (Run& run : runs) start(run, marks, made);
    while (core_.poll(1) > 0) continue;
    for (Run& run : runs) {
      ASSERT_TRUE(run.reply);
      ASSERT_FALSE(run.reply->error) << run.reply->error->message;
      EXPECT_EQ(run.reply->output, std::string_view("\7\0\0\0", 4));
    }
  }
}

// The limits of a call are its own, whatever those before it in the store took.
TEST_F(WasmSharedStoreTest, EachCallOfARoundHasItsOwnLimits) {
  Function grows = function(R"((memory (export "memory") 1)
      (func (export "_start")
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then (call $exit (i32.const 3))))
        (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then (call $exit (i32.const 4))))))");
  grows.limits.memory_bytes = 128 * KiB;
  const auto made = prepare(grows);
  std::array<Run, 20> runs;
  for (Run& run : runs) start(run, grows, made);
  for (Run& run : runs) {
    finish(run);
    EXPECT_FALSE(run.reply->error) << run.reply->error->message;
  }
}

TEST_F(WasmRuntimeTest, LoadsOnceForManyFirstCalls) {
  const Function quick = function(R"((func (export "_start")))");
  const auto made = prepare(quick);
  std::array<Run, 8> runs;
  for (Run& run : runs) start(run, quick, made);
  for (Run& run : runs) {
    finish(run);
    EXPECT_FALSE(run.reply->error);
  }
  EXPECT_GT(made->resident_bytes(), 0);
  made->unload(core_);
  EXPECT_EQ(made->resident_bytes(), 0);
  EXPECT_FALSE(call(quick).error) << "it loads again by itself";
}

}  // namespace
}  // namespace canopy::wasm

int main(int count, char** arguments) {
  if (canopy::wasm::is_compile_child(count, arguments)) {
    return canopy::wasm::compile_child(
        count, arguments, [](const auto& /*code_folder*/) { return canopy::wasm::make_test_host(); });
  }
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
