#include <array>

#include <gtest/gtest.h>

#include "container/execution.h"
#include "container/grpc_peer.h"
#include "container/pool_fixture.h"
#include "wire/grpc.h"
#include "wire/hyperfaas.h"

namespace canopy::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Calls of a function of HyperFaaS whose server is the test.
class GrpcCalls : public CallTest {
 protected:
  GrpcCalls() : CallTest(8) {}

  void make_pool(std::uint32_t concurrency, std::uint32_t max = 1) {
    wire::ContainerSettings settings;
    settings.contract = wire::ContainerSettings::Contract::grpc;
    settings.port = wire::grpc_function_port;
    settings.concurrency = concurrency;
    settings.instances_max = max;
    pool_ = make(std::move(settings));
  }

  std::shared_ptr<Running> start(std::string_view input = "", std::string_view path = "/") {
    Call call;
    call.path = path;
    call.input = input;
    return begin(make_grpc_execution(pool_, core_, links_, service_), std::move(call));
  }

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

  // A call that the container has heard, and what it answers.
  struct Heard {
    std::shared_ptr<Running> running;
    GrpcPeer server;
    std::uint32_t stream = 0;
  };
  Heard call(std::string_view input = "", std::size_t i = 0, std::string_view path = "/") {
    Heard heard{.running = start(input, path), .server = peer(i)};
    const auto streams = heard.server.hear();
    EXPECT_EQ(streams.size(), 1U);
    if (!streams.empty()) heard.stream = streams.front();
    return heard;
  }
  void answer(Heard& heard, std::string_view body, std::string_view status = "0",
              std::string_view words = "") {
    heard.server.answer(heard.stream, body, status, words);
    core_.poll();
  }
  void end(std::size_t i, int status) {
    container(i).end({.status = status, .out_of_memory = false});
    core_.poll();
  }

  GrpcService service_ = GrpcService::function;
  std::shared_ptr<GrpcLinks> links_ = std::make_shared<GrpcLinks>();
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
  Heard one = call();
  answer(one, "", "2", "no%20such%20picture");
  ASSERT_EQ(one.running->failure(), Code::function_failed);
  EXPECT_EQ(one.running->reply->error->message, "no such picture");
  EXPECT_FALSE(container(0).is_asked_to_stop);
}

TEST_F(GrpcCalls, WhatIsNoAnswerIsTheServersFault) {
  make_pool(8);
  for (const std::string_view body :
       {std::string_view("\0\0\0\0\7x", 6), std::string_view("\1\0\0\0\0", 5)}) {
    Heard one = call();
    answer(one, body);
    EXPECT_EQ(one.running->failure(), Code::died);
  }
}

TEST_F(GrpcCalls, TooMuchOutputIsALimit) {
  function_.limits.output_bytes = 10;
  make_pool(8);
  Heard one = call();
  answer(one, reply_of("more than ten bytes"));
  EXPECT_EQ(one.running->failure(), Code::limit);
}

TEST_F(GrpcCalls, MethodsOfItsOwnPassAsTheyAre) {
  make_pool(8);
  Heard one = call("any bytes", 0, "/my.Own/Method");
  EXPECT_EQ(one.server.bodies[one.stream], "any bytes");
  answer(one, "a body", "5", "words");
  const auto& reply = one.running->reply;
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->error);
  EXPECT_EQ(reply->output, "a body");
  ASSERT_EQ(reply->headers.size(), 2U);
  EXPECT_EQ(reply->headers[0].name, "Grpc-Trailer-grpc-status");
  EXPECT_EQ(reply->headers[0].value, "5");
}

// It was idle, and ends by itself: the next call starts another one, at once.
TEST_F(GrpcCalls, AContainerThatEndsIdleIsNoFailure) {
  make_pool(8);
  Heard first = call();
  answer(first, reply_of("x"));
  end(0, 0);
  EXPECT_EQ(pool_->member_count(), 0U);
  EXPECT_EQ(engine_.containers.size(), 1U) << "nobody needs it";
  Heard second = call("again", 1);  // There is no pause as after a crash.
  answer(second, reply_of("y"));
  ASSERT_TRUE(second.running->reply);
  EXPECT_EQ(second.running->reply->output, "y");
}

TEST_F(GrpcCalls, OneThatCameAsItEndedGoesToAnother) {
  make_pool(8);
  const auto running = start("input");
  end(0, 0);
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
    if (i < engine_.containers.size()) end(i, 0);
    pass(seconds(1));
  }
  EXPECT_EQ(running->failure(), Code::died);
  EXPECT_EQ(engine_.containers.size(), 3U);
}

TEST_F(GrpcCalls, OneThatHadBegunToAnswerFailsWithItsContainer) {
  make_pool(8);
  Heard one = call();
  one.server.begin(one.stream);
  core_.poll();
  end(0, 0);
  EXPECT_EQ(one.running->failure(), Code::died);
  EXPECT_EQ(engine_.containers.size(), 1U);
}

TEST_F(GrpcCalls, ACrashIsAFailureOfTheCall) {
  make_pool(8);
  const auto running = start();
  end(0, 2 << 8);
  ASSERT_EQ(running->failure(), Code::died);
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
  EXPECT_EQ(first->failure(), Code::died);
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
  ASSERT_EQ(running->failure(), Code::unavailable);
  EXPECT_TRUE(running->reply->unbegun);
}

TEST_F(GrpcCalls, ADeadlineEndsTheStream) {
  make_pool(8);
  Heard late = call();
  pass(seconds(5));
  const auto other = start();
  pass(seconds(6));
  EXPECT_EQ(late.running->failure(), Code::deadline);
  EXPECT_EQ(late.server.hear().size(), 1U);
  EXPECT_EQ(late.server.reset_count, 1);
  EXPECT_FALSE(container(0).is_asked_to_stop) << "it has a call yet";
  late.server.answer(3, reply_of("x"));
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
  Heard first = call();
  answer(first, reply_of("x"));
  pass(seconds(11));
  Heard second = call();
  answer(second, "", "14", "Error while dialing");
  ASSERT_EQ(second.running->failure(), wire::code_of(wire::GrpcStatus::unavailable));
  EXPECT_FALSE(second.running->reply->unbegun);
}

TEST_F(ControllerCalls, GoToAnotherWhereTheWorkerHasForgotten) {
  make_pool(8);
  Heard one = call("1");
  answer(one, "", "2", "no instances available");
  EXPECT_TRUE(container(0).is_asked_to_stop);
  ASSERT_EQ(engine_.containers.size(), 2U);
  GrpcPeer next = peer(1);
  ASSERT_EQ(next.hear().size(), 1U);
  next.answer(1, reply_of("one"));
  core_.poll();
  ASSERT_TRUE(one.running->reply);
  EXPECT_EQ(one.running->reply->output, "one");
}

}  // namespace
}  // namespace canopy::container
