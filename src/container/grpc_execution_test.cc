#include <array>

#include <gtest/gtest.h>

#include "container/execution.h"
#include "container/fake_engine.h"
#include "container/grpc_peer.h"
#include "wire/grpc.h"
#include "wire/hyperfaas.h"

namespace canopy::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Calls of a function of HyperFaaS whose server is the test.
class GrpcCalls : public testing::Test {
 protected:
  struct Running {
    Call call;
    CallLog log{1000};
    std::unique_ptr<exec::Instance> instance;
    std::optional<Reply> reply;
  };

  void make_pool(std::uint32_t concurrency, std::uint32_t max = 1) {
    PoolOptions options;
    options.settings.contract = wire::ContainerSettings::Contract::grpc;
    options.settings.port = wire::grpc_function_port;
    options.settings.concurrency = concurrency;
    options.settings.instances_max = max;
    options.plan.memory_bytes = 64 * MiB;
    pool_ = Pool::make(keeper_, std::move(options));
    core_.poll();
  }

  std::shared_ptr<Running> start(std::string_view input = "", std::string_view path = "/") {
    auto running = std::make_shared<Running>();
    running->call.function = &function_;
    running->call.queued = clock_.now();
    running->call.deadline = clock_.now() + seconds(10);
    running->call.path = path;
    running->call.input = input;
    running->call.log = &running->log;
    running->instance = make_grpc_execution(pool_, core_, links_, service_);
    net::asio::co_spawn(core_.io(), running->instance->run(running->call),
                        [running](const std::exception_ptr& error, Reply reply) {
                          if (error) std::rethrow_exception(error);
                          running->reply = std::move(reply);
                        });
    core_.poll();
    return running;
  }

  FakeContainer& container(std::size_t i) { return *engine_.containers.at(i); }
  GrpcPeer peer(std::size_t i, std::size_t connection = 0) {
    return GrpcPeer(container(i).servers.at(connection).get());
  }

  static std::string reply_of(std::string_view data) {
    return wire::instance_call_reply(
        {.request_id = 0, .instance_id = "abc", .data = std::string(data), .error = {}});
  }
  // What a container was told in a call.
  static wire::InstanceCall call_of(GrpcPeer& peer, std::uint32_t stream) {
    const auto message = wire::read_grpc_message(peer.bodies[stream], 1000);
    return message ? wire::read_instance_call(*message).value_or(wire::InstanceCall{}) : wire::InstanceCall{};
  }

  void pass(Duration time) {
    clock_.advance(time);
    core_.poll();
  }

  ~GrpcCalls() override {
    pool_.reset();
    keeper_.close();
    core_.poll();
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  FakeEngine engine_;
  Keeper keeper_{engine_, core_,
                 [](const std::function<void()>& work) {
                   work();
                   return true;
                 },
                 8};
  Function function_;
  GrpcService service_ = GrpcService::function;
  std::shared_ptr<GrpcLinks> links_ = std::make_shared<GrpcLinks>();
  std::shared_ptr<Pool> pool_;
};

TEST_F(GrpcCalls, ShareAConnectionAndAreAnsweredInAnyOrder) {
  function_.name.name = "an-id";
  make_pool(8);
  const auto first = start("1");
  const auto second = start("2");
  ASSERT_EQ(container(0).servers.size(), 1U);
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear(), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(call_of(server, 1).data, "1");
  EXPECT_EQ(call_of(server, 3).data, "2");
  EXPECT_EQ(call_of(server, 1).function_id, "an-id");
  server.answer(3, reply_of("two"));
  core_.poll();
  ASSERT_TRUE(second->reply);
  EXPECT_FALSE(second->reply->error);
  EXPECT_EQ(second->reply->output, "two");
  EXPECT_FALSE(first->reply);
  server.answer(1, reply_of("one"));
  core_.poll();
  ASSERT_TRUE(first->reply);
  EXPECT_EQ(first->reply->output, "one");
}

TEST_F(GrpcCalls, AStatusIsTheFunctionsOwnFailure) {
  make_pool(8);
  const auto running = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(1, "", "2", "no%20such%20picture");
  core_.poll();
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::function_failed);
  EXPECT_EQ(running->reply->error->message, "no such picture");
  EXPECT_FALSE(container(0).is_asked_to_stop);
}

TEST_F(GrpcCalls, WhatIsNoAnswerIsTheServersFault) {
  make_pool(8);
  for (const std::string_view body :
       {std::string_view("\0\0\0\0\7x", 6), std::string_view("\1\0\0\0\0", 5)}) {
    const auto running = start();
    GrpcPeer server = peer(0);
    const auto streams = server.hear();
    ASSERT_EQ(streams.size(), 1U);
    server.answer(streams.front(), body);
    core_.poll();
    ASSERT_TRUE(running->reply && running->reply->error);
    EXPECT_EQ(running->reply->error->code, Code::died);
  }
}

TEST_F(GrpcCalls, TooMuchOutputIsALimit) {
  function_.limits.output_bytes = 10;
  make_pool(8);
  const auto running = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(1, reply_of("more than ten bytes"));
  core_.poll();
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::limit);
}

TEST_F(GrpcCalls, MethodsOfItsOwnPassAsTheyAre) {
  make_pool(8);
  const auto running = start("any bytes", "/my.Own/Method");
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  EXPECT_EQ(server.bodies[1], "any bytes");
  server.answer(1, "a body", "5", "words");
  core_.poll();
  ASSERT_TRUE(running->reply);
  EXPECT_FALSE(running->reply->error);
  EXPECT_EQ(running->reply->output, "a body");
  ASSERT_EQ(running->reply->headers.size(), 2U);
  EXPECT_EQ(running->reply->headers[0].name, "Grpc-Trailer-grpc-status");
  EXPECT_EQ(running->reply->headers[0].value, "5");
}

// It was idle, and ends by itself: the next call starts another one, at once.
TEST_F(GrpcCalls, AContainerThatEndsIdleIsNoFailure) {
  make_pool(8);
  const auto first = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(1, reply_of("x"));
  core_.poll();
  container(0).end({.status = 0, .out_of_memory = false});
  core_.poll();
  EXPECT_EQ(pool_->member_count(), 0U);
  EXPECT_EQ(engine_.containers.size(), 1U) << "nobody needs it";
  const auto second = start("again");
  ASSERT_EQ(engine_.containers.size(), 2U) << "there is no pause as after a crash";
  GrpcPeer next = peer(1);
  ASSERT_EQ(next.hear().size(), 1U);
  next.answer(1, reply_of("y"));
  core_.poll();
  ASSERT_TRUE(second->reply);
  EXPECT_EQ(second->reply->output, "y");
}

TEST_F(GrpcCalls, OneThatCameAsItEndedGoesToAnother) {
  make_pool(8);
  const auto running = start("input");
  container(0).end({.status = 0, .out_of_memory = false});
  core_.poll();
  ASSERT_FALSE(running->reply) << running->reply->error->message;
  pass(milliseconds(60));
  ASSERT_EQ(engine_.containers.size(), 2U);
  GrpcPeer server = peer(1);
  ASSERT_EQ(server.hear().size(), 1U);
  EXPECT_EQ(call_of(server, 1).data, "input");
  server.answer(1, reply_of("x"));
  core_.poll();
  ASSERT_TRUE(running->reply);
  EXPECT_FALSE(running->reply->error);
}

TEST_F(GrpcCalls, AFunctionThatEndsInEachCallIsBegunThreeTimesAtMost) {
  make_pool(8);
  const auto running = start();
  for (std::size_t i = 0; i < 10 && !running->reply; ++i) {
    if (i < engine_.containers.size()) container(i).end({.status = 0, .out_of_memory = false});
    core_.poll();
    pass(seconds(1));
  }
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::died);
  EXPECT_EQ(engine_.containers.size(), 3U);
}

TEST_F(GrpcCalls, OneThatHadBegunToAnswerFailsWithItsContainer) {
  make_pool(8);
  const auto running = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.begin(1);
  core_.poll();
  container(0).end({.status = 0, .out_of_memory = false});
  core_.poll();
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::died);
  EXPECT_EQ(engine_.containers.size(), 1U);
}

TEST_F(GrpcCalls, ACrashIsAFailureOfTheCall) {
  make_pool(8);
  const auto running = start();
  container(0).end({.status = 2 << 8, .out_of_memory = false});
  core_.poll();
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::died);
  EXPECT_NE(running->reply->error->message.find("status 2"), std::string::npos);
}

// As gRPC's own servers stop: they take nothing new, answer what they have, and end.
TEST_F(GrpcCalls, WhatAStoppingServerHasNotBegunGoesToAnother) {
  make_pool(8, 2);
  const auto first = start("1");
  const auto second = start("2");
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 2U);
  container(0).listens = false;
  server.go(1);
  core_.poll();
  ASSERT_EQ(engine_.containers.size(), 2U);
  EXPECT_FALSE(container(0).is_asked_to_stop) << "it has a call yet";
  GrpcPeer next = peer(1);
  ASSERT_EQ(next.hear().size(), 1U);
  EXPECT_EQ(call_of(next, 1).data, "2");
  next.answer(1, reply_of("two"));
  server.answer(1, reply_of("one"));
  core_.poll();
  ASSERT_TRUE(first->reply && second->reply);
  EXPECT_EQ(first->reply->output, "one");
  EXPECT_EQ(second->reply->output, "two");
}

TEST_F(GrpcCalls, OneStreamThatIsResetEndsNoOther) {
  make_pool(8);
  const auto first = start();
  const auto second = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 2U);
  server.break_off(1);
  core_.poll();
  ASSERT_TRUE(first->reply && first->reply->error);
  EXPECT_EQ(first->reply->error->code, Code::died);
  server.answer(3, reply_of("x"));
  core_.poll();
  ASSERT_TRUE(second->reply);
  EXPECT_FALSE(second->reply->error);
  EXPECT_FALSE(container(0).is_asked_to_stop);
}

TEST_F(GrpcCalls, AServerThatRefusesEveryStreamIsNotAskedForEver) {
  make_pool(8);
  const auto running = start();
  GrpcPeer server = peer(0);
  for (int i = 0; i < 100 && !running->reply; ++i) {
    for (const std::uint32_t stream : server.hear()) server.refuse(stream);
    core_.poll();
  }
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::unavailable);
  EXPECT_TRUE(running->reply->unbegun);
}

TEST_F(GrpcCalls, ADeadlineEndsTheStream) {
  make_pool(8);
  const auto running = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  pass(seconds(5));
  const auto other = start();
  pass(seconds(6));
  ASSERT_TRUE(running->reply && running->reply->error);
  EXPECT_EQ(running->reply->error->code, Code::deadline);
  EXPECT_EQ(server.hear().size(), 1U);
  EXPECT_EQ(server.reset_count, 1);
  EXPECT_FALSE(container(0).is_asked_to_stop) << "it has a call yet";
  server.answer(3, reply_of("x"));
  core_.poll();
  ASSERT_TRUE(other->reply);
  EXPECT_FALSE(other->reply->error);
  EXPECT_TRUE(container(0).is_asked_to_stop) << "it may go on with what nobody waits for";
}

class ControllerCalls : public GrpcCalls {
 protected:
  ControllerCalls() { service_ = GrpcService::controller; }
};

// As workers of HyperFaaS have it: what they say is started may not listen yet.
TEST_F(ControllerCalls, AreSentAgainUntilSomebodyListens) {
  function_.name.name = "an-id";
  make_pool(8);
  const auto running = start("1", "/whatever");
  GrpcPeer server = peer(0);
  for (const std::uint32_t stream : {1U, 3U, 5U}) {
    ASSERT_EQ(server.hear(), std::vector{stream});
    EXPECT_EQ(call_of(server, stream).function_id, "an-id");
    EXPECT_EQ(call_of(server, stream).instance_id, "an-id");
    server.answer(stream, "", "14", "connection error: desc = \"transport: Error while dialing: refused\"");
    core_.poll();
    pass(milliseconds(60));
  }
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(7, reply_of("one"));
  core_.poll();
  ASSERT_TRUE(running->reply);
  EXPECT_EQ(running->reply->output, "one");
  EXPECT_EQ(engine_.containers.size(), 1U);
}

// Such words of one that is there for long are the function's own.
TEST_F(ControllerCalls, AreNotSentAgainToOneThatIsThereForLong) {
  make_pool(8);
  const auto first = start();
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(1, reply_of("x"));
  core_.poll();
  pass(seconds(11));
  const auto second = start();
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(3, "", "14", "Error while dialing");
  core_.poll();
  ASSERT_TRUE(second->reply && second->reply->error);
  EXPECT_EQ(second->reply->error->code, wire::code_of(wire::GrpcStatus::unavailable));
  EXPECT_FALSE(second->reply->unbegun);
}

TEST_F(ControllerCalls, GoToAnotherWhereTheWorkerHasForgotten) {
  make_pool(8);
  const auto running = start("1");
  GrpcPeer server = peer(0);
  ASSERT_EQ(server.hear().size(), 1U);
  server.answer(1, "", "2", "no instances available");
  core_.poll();
  EXPECT_TRUE(container(0).is_asked_to_stop);
  ASSERT_EQ(engine_.containers.size(), 2U);
  GrpcPeer next = peer(1);
  ASSERT_EQ(next.hear().size(), 1U);
  next.answer(1, reply_of("one"));
  core_.poll();
  ASSERT_TRUE(running->reply);
  EXPECT_EQ(running->reply->output, "one");
}

}  // namespace
}  // namespace canopy::container
