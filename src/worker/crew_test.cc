// Both sides of a worker, joined in memory, on a fake clock: a call goes through the remote runtime as it
// would through the one that it wraps.

#include "worker/crew.h"

#include <fstream>
#include <future>
#include <optional>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "exec/fake_runtime.h"
#include "net/frame_pair.h"
#include "worker/remote.h"
#include "worker/worker.h"

namespace canopy::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// One worker with a runtime of its own.
struct Colleagues {
  Colleagues(const Clock& clock, const exec::FakeRuntime::FindCode& find_code, std::uint32_t slots,
             WorkerNumber worker_number)
      : core(0, clock), disk(1, 100) {
    auto made = std::make_unique<exec::FakeRuntime>(find_code);
    runtime = made.get();
    runtimes.emplace("wasm", std::move(made));
    worker.emplace(core, runtimes, disk,
                   WorkerOptions{.slots = slots, .room = {.bytes_max = GiB, .count_max = 9}});
    colleague = std::make_shared<Colleague>();
    colleague->number = worker_number;
  }

  exec::Core core;
  net::BlockingPool disk;
  exec::Runtimes runtimes;
  exec::FakeRuntime* runtime = nullptr;
  net::FramePair line;
  std::shared_ptr<Colleague> colleague;
  std::optional<Worker> worker;
};

class CrewTest : public testing::Test {
 protected:
  struct OneCall {
    Call call;
    CallLog log{1000};
    std::unique_ptr<exec::Instance> instance;
    std::optional<Reply> reply;
  };

  CrewTest() {
    code_path_ = testing::TempDir() + "crew-code-" + std::to_string(getpid());
    function_.name = {"demo", "fake"};
    function_.version = 1;
    function_.digest = "d";
    function_.env = {{"A", "b"}};
    function_.limits.log_bytes = 1000;
  }
  void TearDown() override {
    settle([this] { return crew_.running_count() == 0; });
    for (const auto& one : calls_) one->instance.reset();
    for (const auto& one : workers_) {
      one->line.cut();
      one->core.poll();
    }
    std::remove(code_path_.c_str());
  }

  exec::FakeRuntime::FindCode find_code() {
    return [this](std::string_view) -> Result<std::filesystem::path> { return code_path_; };
  }

  // All that are made of `function`, in the server and in each worker.
  void deploy(const exec::FakeFunction& function) {
    std::ofstream(code_path_) << "fake";
    auto local = std::make_unique<exec::FakeRuntime>(find_code());
    local->add("fake", function);
    remote_ = make_remote_runtime(std::move(local), {&crew_});
    fake_ = function;
    template_ = *remote_->prepare(function_);
  }

  Colleagues& hire(std::uint32_t slots = 10) {
    workers_.push_back(std::make_unique<Colleagues>(clock_, find_code(), slots, workers_.size() + 1));
    Colleagues& one = *workers_.back();
    one.runtime->add("fake", fake_);
    made_.push_back(*one.runtime->prepare(function_));
    one.worker->serve(one.line.right());
    crew_.attach(one.colleague, one.line.left());
    while (one.line.pump()) {
    }
    return one;
  }

  OneCall& begin(std::string_view input = {}, Duration timeout = seconds(10),
                 std::optional<Duration> durable_for = {}) {
    calls_.push_back(std::make_unique<OneCall>());
    OneCall& one = *calls_.back();
    one.call.id = {1, calls_.size()};
    one.call.function = &function_;
    one.call.queued = clock_.now();
    one.call.deadline = clock_.now() + timeout;
    if (durable_for) one.call.deadline_latest = clock_.now() + *durable_for;
    one.call.input = input;
    one.call.log = &one.log;
    one.instance = template_->start(core_);
    net::asio::co_spawn(core_.io(), run(one), net::asio::detached);
    core_.poll();
    return one;
  }

  static net::Task<void> run(OneCall& one) {
    Reply reply = co_await one.instance->run(one.call);
    one.reply = std::move(reply);
  }

  void turn(bool with_lines) {
    core_.poll();
    for (const auto& one : workers_) {
      one->core.poll();
      if (with_lines) one->line.pump();
    }
    core_.poll();
  }

  // Goes on until `done` holds; false where it never did.
  bool settle(const std::function<bool()>& done, bool with_lines = true) {
    for (int i = 0; i < 1'000'000; ++i) {
      turn(with_lines);
      if (done()) return true;
      std::this_thread::yield();
    }
    return false;
  }
  Reply finished(OneCall& one) {
    EXPECT_TRUE(settle([&one] { return one.reply.has_value(); }));
    return one.reply.value_or(Reply());
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  std::vector<WorkerNumber> broken_;
  Crew crew_{core_,
             {.running_max = 100, .waiting_max = 3},
             [this](WorkerNumber worker, const std::string& /*why*/) { broken_.push_back(worker); }};
  std::string code_path_;
  Function function_;
  exec::FakeFunction fake_;
  std::unique_ptr<exec::Runtime> remote_;
  std::shared_ptr<exec::Template> template_;
  std::vector<std::shared_ptr<exec::Template>> made_;
  std::vector<std::unique_ptr<Colleagues>> workers_;
  std::vector<std::unique_ptr<OneCall>> calls_;
};

TEST_F(CrewTest, ACallComesBackAsItsFunctionAnswered) {
  const std::string input(300'000, 'i');
  deploy({.begin = [](Call& call) { call.log->write(CallLog::Stream::err, "began\n"); },
          .end =
              [](Call& call, Reply& reply) {
                reply.status = 201;
                reply.headers = {{"X-Env", call.function->env.at("A")}, {"X-Path", std::string(call.path)}};
                reply.output = call.input;
              }});
  hire();
  OneCall& one = begin(input);
  const Reply reply = finished(one);
  EXPECT_FALSE(reply.error);
  EXPECT_EQ(reply.status, 201);
  EXPECT_EQ(reply.headers.at(0).value, "b");
  EXPECT_EQ(reply.headers.at(1).value, "/");
  EXPECT_EQ(reply.output, input);
  EXPECT_TRUE(reply.usage.cold);
  EXPECT_EQ(reply.usage.memory_bytes, 64 * KiB);
  EXPECT_EQ(one.log.text(), "began\n");
  EXPECT_FALSE(finished(begin()).usage.cold);
  EXPECT_EQ(crew_.ended_count(), 2U);
}

TEST_F(CrewTest, WhatALoadThereTakesIsAStartAndNoQueueAndNoHop) {
  deploy({.begin = {}, .end = {}});
  Colleagues& worker = hire();
  std::promise<void> quick;  // Until then the disk is slow.
  worker.disk.post([wait = quick.get_future().share()] { wait.wait(); });
  OneCall& one = begin();
  clock_.advance(milliseconds(3));  // On its way.
  worker.line.pump();
  for (int i = 0; i < 10; ++i) worker.core.poll();
  clock_.advance(seconds(7));
  quick.set_value();
  const Usage cold = finished(one).usage;
  EXPECT_TRUE(cold.cold);
  EXPECT_EQ(cold.start_time, seconds(7));
  EXPECT_EQ(cold.hop_time, milliseconds(3));
  EXPECT_EQ(cold.queue_time(), Duration::zero());
  EXPECT_EQ(cold.wait_time, milliseconds(7003));

  const Usage warm = finished(begin()).usage;
  EXPECT_FALSE(warm.cold);
  EXPECT_EQ(warm.start_time, Duration::zero());
  EXPECT_EQ(warm.hop_time, Duration::zero());  // There was one.
}

TEST_F(CrewTest, WhatWasNotBegunThereHasWaitedThere) {
  deploy({.begin = {}, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin();
  worker.line.pump();
  ASSERT_EQ(worker.worker->running_count(), 1U);
  clock_.advance(seconds(2));
  one.instance->cancel();
  worker.line.pump();
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::canceled);
  EXPECT_EQ(reply.usage.wait_time, seconds(2));
  EXPECT_EQ(reply.usage.hop_time, Duration::zero());
}

TEST_F(CrewTest, AFunctionsErrorIsItsOwnHereToo) {
  deploy({.begin = {}, .end = [](Call&, Reply& reply) {
            reply.error = Error{Code::died, "unreachable at main+0x12", Stage::run};
          }});
  hire();
  const Reply reply = finished(begin());
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_EQ(reply.error->message, "unreachable at main+0x12");
  EXPECT_FALSE(reply.lost);
}

// What it may answer its own clients with is nothing that it may answer another's.
TEST_F(CrewTest, ARunDoesNotEndWithAClientsError) {
  deploy({.begin = {}, .end = [](Call&, Reply& reply) {
            reply.error = Error{Code::unauthorized, "who are you?", Stage::none};
          }});
  hire();
  EXPECT_EQ(finished(begin()).error->code, Code::internal);
}

TEST_F(CrewTest, NobodyButTheCallerCancels) {
  deploy({.begin = {},
          .end = [](Call&, Reply& reply) { reply.error = Error{Code::canceled, "no more", Stage::run}; }});
  hire();
  EXPECT_EQ(finished(begin()).error->code, Code::internal);
}

TEST_F(CrewTest, TheLogIsSeenWhileTheCallRuns) {
  deploy({.begin = [](Call& call) { call.log->write(CallLog::Stream::err, "piece"); },
          .waits = true,
          .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin();
  std::string seen;
  one.log.on_write = [&seen](std::string_view piece) { seen += piece; };
  EXPECT_TRUE(settle([&seen] { return seen == "piece"; }));
  EXPECT_FALSE(one.reply);
  worker.runtime->release();
  EXPECT_FALSE(finished(one).error);
}

TEST_F(CrewTest, WhatTheWorkersLogDroppedIsCounted) {
  deploy({.begin = [](Call& call) { call.log->write(CallLog::Stream::err, std::string(1500, 'x')); },
          .end = {}});
  hire();
  OneCall& one = begin();
  finished(one);
  EXPECT_EQ(one.log.text().size(), 1000U);
  EXPECT_EQ(one.log.dropped_bytes(), 500U);
}

TEST_F(CrewTest, ACancelledCallEndsInTheWorker) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin();
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  one.instance->cancel();
  EXPECT_EQ(finished(one).error->code, Code::canceled);
  EXPECT_EQ(worker.worker->running_count(), 0U);
}

TEST_F(CrewTest, TheWorkerSeesTheDeadlinePass) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin({}, milliseconds(500));
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  clock_.advance(milliseconds(501));
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::deadline);
  EXPECT_EQ(reply.error->message, "the deadline passed while it ran");
}

TEST_F(CrewTest, AHungWorkerHoldsNobodyPastTheDeadline) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& worker = hire(1);
  OneCall& one = begin({}, milliseconds(500));
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  clock_.advance(milliseconds(700));
  for (int i = 0; i < 10; ++i) core_.poll();  // And nobody polls the worker.
  ASSERT_TRUE(one.reply);
  EXPECT_EQ(one.reply->error->code, Code::deadline);
  EXPECT_NE(one.reply->error->message.find("did not answer"), std::string::npos);
  EXPECT_EQ(crew_.running_count(), 1U);  // Its place is taken until the worker says so.
  settle([this] { return crew_.running_count() == 0; });
  EXPECT_EQ(crew_.running_count(), 0U);
}

TEST_F(CrewTest, WhatADurableCallWaitsForItsFunctionIsNotItsTime) {
  Duration left{};
  deploy({.begin = [&](Call& call) { left = call.deadline - clock_.now(); }, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin({}, seconds(5), std::chrono::hours(1));
  worker.line.pump();
  ASSERT_EQ(worker.worker->running_count(), 1U);
  clock_.advance(seconds(7));  // The function is being loaded there.
  for (int i = 0; i < 10; ++i) core_.poll();
  EXPECT_FALSE(one.reply);
  EXPECT_FALSE(finished(one).error);
  EXPECT_EQ(left, seconds(5));
}

TEST_F(CrewTest, AHungWorkerDoesNotHoldADurableCallForEver) {
  deploy({.begin = {}, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin({}, seconds(5), std::chrono::hours(1));
  worker.line.pump();
  clock_.advance(std::chrono::minutes(3));
  for (int i = 0; i < 10; ++i) core_.poll();
  ASSERT_TRUE(one.reply);
  EXPECT_NE(one.reply->error->message.find("did not answer"), std::string::npos);
}

TEST_F(CrewTest, WhatADeadWorkerHadBegunIsLost) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin();
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  worker.line.cut();
  core_.poll();
  EXPECT_FALSE(one.reply);  // Until it is known how it ended.
  EXPECT_EQ(broken_, std::vector<WorkerNumber>{1});
  crew_.ended(1, "was ended by signal 9 (SIGKILL)");
  const Reply reply = finished(one);
  EXPECT_TRUE(reply.lost);
  EXPECT_EQ(reply.error->code, Code::died);
  EXPECT_EQ(reply.error->message, "the worker process that ran it was ended by signal 9 (SIGKILL)");
}

TEST_F(CrewTest, WhatHadNotReachedADeadWorkerGoesToAnother) {
  deploy({.begin = {}, .end = [](Call&, Reply& reply) { reply.output = "done"; }});
  Colleagues& first = hire();
  OneCall& one = begin();
  EXPECT_EQ(first.colleague->running_count, 1U);
  crew_.ended(1, "was ended by signal 9 (SIGKILL)");
  first.line.cut();
  EXPECT_EQ(crew_.waiting_count(), 1U);
  hire();
  EXPECT_EQ(finished(one).output, "done");
}

TEST_F(CrewTest, AReplyThatIsOnItsWayIsReadBeforeTheDeathCounts) {
  deploy({.begin = {}, .end = [](Call&, Reply& reply) { reply.output = "last words"; }});
  Colleagues& worker = hire();
  OneCall& one = begin();
  worker.line.pump();
  EXPECT_EQ(worker.worker->running_count(), 1U);
  EXPECT_TRUE(settle([&worker] { return worker.worker->running_count() == 0; }, false));
  crew_.ended(1, "ended with status 0");
  EXPECT_EQ(finished(one).output, "last words");
}

TEST_F(CrewTest, AWorkerThatDrainsHandsBackWhatItHasNotBegun) {
  deploy({.begin = {}, .end = [](Call&, Reply& reply) { reply.output = "elsewhere"; }});
  Colleagues& first = hire();
  OneCall& one = begin();
  bool drained = false;
  first.worker->drain([&drained] { drained = true; });
  settle([this] { return crew_.waiting_count() == 1; });
  hire();
  EXPECT_EQ(finished(one).output, "elsewhere");
  settle([&drained] { return drained; });
  EXPECT_TRUE(drained);
  EXPECT_TRUE(broken_.empty());  // Its connection is closed, as it was to be.
}

TEST_F(CrewTest, ACancelledCallThatIsHandedBackGoesToNobody) {
  bool begun = false;
  deploy({.begin = [&begun](Call&) { begun = true; }, .end = {}});
  Colleagues& first = hire();
  first.worker->drain([] {});
  OneCall& one = begin();  // On its way to one that takes no more.
  one.instance->cancel();
  hire();
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::canceled);
  EXPECT_EQ(crew_.waiting_count(), 0U);
  EXPECT_FALSE(begun);
}

TEST_F(CrewTest, AReleasedWorkerEndsWhatItHasAndGetsNoMore) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& worker = hire();
  OneCall& one = begin();
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  crew_.release(1);
  worker.worker->drain([] {});
  OneCall& two = begin();
  EXPECT_EQ(crew_.waiting_count(), 1U);
  worker.runtime->release();
  EXPECT_FALSE(finished(one).error);
  Colleagues& next = hire();
  settle([&next] { return next.runtime->waiting_count() == 1; });
  next.runtime->release();
  EXPECT_FALSE(finished(two).error);
}

TEST_F(CrewTest, CallsWaitForCreditInTheirOrder) {
  std::string order;
  deploy({.begin = [&order](Call& call) { order += call.input; }, .waits = true, .end = {}});
  Colleagues& worker = hire(1);
  OneCall& one = begin("1");
  OneCall& two = begin("2");
  OneCall& three = begin("3");
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  EXPECT_EQ(crew_.waiting_count(), 2U);
  for (OneCall* const call : {&one, &two, &three}) {
    settle([&worker] { return worker.runtime->waiting_count() == 1; });
    worker.runtime->release();
    EXPECT_FALSE(finished(*call).error);
  }
  EXPECT_EQ(order, "123");
}

TEST_F(CrewTest, TheLineForWorkersHasAnEnd) {
  deploy({});
  for (int i = 0; i < 3; ++i) begin();
  OneCall& one = begin();
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::unavailable);
  EXPECT_TRUE(reply.unbegun);
  hire();
  for (const auto& call : calls_) finished(*call);
}

TEST_F(CrewTest, ADeadlineInTheLineSaysSo) {
  deploy({});
  OneCall& one = begin({}, milliseconds(100));
  clock_.advance(milliseconds(101));
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::deadline);
  EXPECT_EQ(reply.error->stage, Stage::queue);
  EXPECT_TRUE(reply.unbegun);  // So that a durable call may wait on.
  EXPECT_EQ(crew_.waiting_count(), 0U);
}

TEST_F(CrewTest, ADurableCallsTimeBeginsWithItsWorker) {
  deploy({.begin = {}, .waits = true, .end = {}});
  OneCall& one = begin({}, milliseconds(500), seconds(60));
  OneCall& other = begin({}, milliseconds(500));
  clock_.advance(milliseconds(400));
  Colleagues& worker = hire();
  settle([&worker] { return worker.runtime->waiting_count() == 2; });
  clock_.advance(milliseconds(200));
  EXPECT_EQ(finished(other).error->code, Code::deadline);
  EXPECT_FALSE(one.reply);
  clock_.advance(milliseconds(290));
  settle([] { return true; });
  EXPECT_FALSE(one.reply);
  clock_.advance(milliseconds(20));
  EXPECT_EQ(finished(one).error->stage, Stage::run);
}

TEST_F(CrewTest, ADurableCallsTimeEndsWithItsLastDeadline) {
  deploy({.begin = {}, .waits = true, .end = {}});
  OneCall& one = begin({}, milliseconds(500), milliseconds(600));
  clock_.advance(milliseconds(400));
  Colleagues& worker = hire();
  settle([&worker] { return worker.runtime->waiting_count() == 1; });
  clock_.advance(milliseconds(210));
  EXPECT_EQ(finished(one).error->code, Code::deadline);
}

TEST_F(CrewTest, AWorkerThatSendsTooMuchIsNotListenedTo) {
  function_.limits.output_bytes = 100'000;
  deploy({.begin = {}, .end = [](Call&, Reply& reply) { reply.output.assign(300'000, 'o'); }});
  hire();
  const Reply reply = finished(begin());
  EXPECT_EQ(reply.error->code, Code::internal);
  EXPECT_TRUE(reply.output.empty());
  EXPECT_TRUE(settle([this] { return crew_.running_count() == 0; }));
}

TEST_F(CrewTest, WithoutAnyWorkerACallIsGivenBackBeforeItsDeadline) {
  deploy({});
  OneCall& one = begin({}, seconds(60));
  clock_.advance(seconds(6));
  const Reply reply = finished(one);
  EXPECT_EQ(reply.error->code, Code::unavailable);
  EXPECT_TRUE(reply.unbegun);
}

TEST_F(CrewTest, ACancelledCallLeavesTheLine) {
  deploy({});
  OneCall& one = begin();
  one.instance->cancel();
  EXPECT_EQ(finished(one).error->code, Code::canceled);
  EXPECT_EQ(crew_.waiting_count(), 0U);
}

TEST_F(CrewTest, GoesToTheWorkerThatHasLess) {
  deploy({.begin = {}, .waits = true, .end = {}});
  Colleagues& first = hire();
  Colleagues& second = hire();
  for (int i = 0; i < 6; ++i) begin();
  settle([&] { return first.runtime->waiting_count() + second.runtime->waiting_count() == 6; });
  EXPECT_EQ(first.colleague->running_count, 3U);
  EXPECT_EQ(second.colleague->running_count, 3U);
  first.runtime->release();
  second.runtime->release();
  for (const auto& call : calls_) EXPECT_FALSE(finished(*call).error);
}

TEST_F(CrewTest, SecretsThatChangeAreSeenByTheNextCall) {
  deploy({.begin = {}, .end = [](Call& call, Reply& reply) { reply.output = call.function->env.at("A"); }});
  hire();
  EXPECT_EQ(finished(begin()).output, "b");
  function_.env["A"] = "c";
  EXPECT_EQ(finished(begin()).output, "c");
  EXPECT_EQ(template_->resident_bytes(core_) / sizeof(Definition), 1U);  // Nothing is left of the other.
  template_->unload(core_);
  EXPECT_EQ(template_->resident_bytes(core_), 0U);
  EXPECT_EQ(finished(begin()).output, "c");
}

// What was made of a version lies where the wrapped runtime keeps it.
class SweptRuntime final : public exec::PlainRuntime {
 public:
  explicit SweptRuntime(std::set<std::string>& kept) : kept_(kept) {}
  std::string_view name() const override { return "wasm"; }
  Result<void> check(const Function& /*function*/, std::string_view /*code*/) override { return {}; }
  std::shared_ptr<exec::Template> find(const Function& /*function*/) override { return nullptr; }
  Result<std::shared_ptr<exec::Template>> prepare(const Function& /*function*/) override {
    return fail(Code::refused, "a runtime that keeps files and runs nothing");
  }
  std::string made_name(const Function& function) const override { return "made-" + function.digest; }
  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration /*age*/) override {
    kept_ = names;
    return 4096;
  }
  void stop() override { kept_.insert("stopped"); }

 private:
  std::set<std::string>& kept_;
};

TEST_F(CrewTest, WhatWasCompiledIsSweptAsWithoutWorkers) {
  std::set<std::string> kept;
  const auto remote = make_remote_runtime(std::make_unique<SweptRuntime>(kept), {&crew_});
  EXPECT_EQ(remote->made_name(function_), "made-d");
  EXPECT_EQ(remote->sweep({"made-d"}, seconds(1)).value(), 4096U);
  EXPECT_EQ(kept, std::set<std::string>{"made-d"});
}

TEST_F(CrewTest, WhatIsMadeEndsWhenTheServerStopsAsWithoutWorkers) {
  std::set<std::string> noted;
  auto remote = make_remote_runtime(std::make_unique<SweptRuntime>(noted), {&crew_});
  const auto way = [](const Function&) { return policy::Dispatch::local; };
  const auto among = make_dispatch_runtime(std::move(remote), {&crew_}, way);
  among->stop();
  EXPECT_EQ(noted, std::set<std::string>{"stopped"});
}

}  // namespace
}  // namespace canopy::worker
