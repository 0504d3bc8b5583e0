// controller.Controller, as a leaf of HyperFaaS drives it, against a server whose functions are C++ lambdas.

#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "base/uuid.h"
#include "hyperfaas/live_hyperfaas.h"

namespace canopy::hyperfaas {
namespace {

using wire::GrpcStatus;
using Kind = wire::InstanceEvent::Kind;

const std::string controller = "/controller.Controller/";

struct Worker : LiveHyperfaas {
  using LiveHyperfaas::LiveHyperfaas;

  GrpcAnswer start(const std::string& function) const {
    return client().call(controller + "Start", wire::id_message(function));
  }
  std::string started(const std::string& function) const {
    const auto reply = wire::read_started_reply(start(function).message());
    return reply ? reply->id : std::string();
  }
  GrpcAnswer call(const std::string& function, const std::string& data) const {
    return client().call(
        controller + "Call",
        wire::instance_call_request(
            {.request_id = 7, .instance_id = function, .function_id = function, .data = data}));
  }
  GrpcAnswer stop(const std::string& instance) const {
    return client().call(controller + "Stop", wire::id_message(instance));
  }
};

// Who follows the status, and what it has heard.
struct Follower {
  // It listens from here on.
  Follower(const Worker& worker, const std::string& node)
      : client(worker.client()), stream(client.begin(controller + "Status", wire::node_request(node))) {
    EXPECT_TRUE(client.until([this] { return client.has_begun(stream); }));
  }

  bool hears(Kind kind, const std::string& instance, bool is_failure = false) {
    return client.until([&] { return has_heard(kind, instance, is_failure); });
  }
  bool has_heard(Kind kind, const std::string& instance, bool is_failure = false) {
    const auto messages = client.messages(stream);
    return std::ranges::any_of(messages, [&](const std::string& message) {
      const auto event = wire::read_event(message);
      return event && event->kind == kind && event->instance_id == instance &&
             event->is_failure == is_failure && event->at > WallTime(std::chrono::hours(24 * 365));
    });
  }
  GrpcClient client;
  std::int32_t stream;
};

TEST(Controller, Case6StartsCallsAndStops) {
  const Worker worker;
  worker.deploy("hyperfaas/echo", "echo");
  const std::string function = worker.create("hyperfaas-echo:latest");
  const auto reply = wire::read_started_reply(worker.start(function).message());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->id.size(), 12U);
  EXPECT_FALSE(reply->address.empty());
  EXPECT_EQ(reply->name, "hyperfaas-echo-latest-" + reply->id.substr(0, 8));
  const GrpcAnswer answer = worker.call(function, "Hello World!");
  ASSERT_TRUE(answer.is_ok()) << answer.words;
  const auto called = wire::read_instance_call_reply(answer.message());
  ASSERT_TRUE(called);
  EXPECT_EQ(called->data, "Hello World!");
  EXPECT_EQ(called->instance_id, reply->id);
  EXPECT_EQ(called->request_id, 7);
  for (const std::string name : {"callqueuedtimestamp", "gotresponsetimestamp", "functionprocessingtime"}) {
    EXPECT_EQ(answer.trailers.count(name), 1U) << name;
  }
  EXPECT_EQ(wire::read_id(worker.stop(reply->id).message()), reply->id);
  EXPECT_EQ(worker.stop(reply->id).status, GrpcStatus::not_found);
}

TEST(Controller, Case6UnknownThingsAreNotFound) {
  const Worker worker;
  const std::string nobody = "0f8fad5b-d9cb-469f-a165-70867728950e";
  EXPECT_EQ(worker.start(nobody).status, GrpcStatus::not_found);
  EXPECT_EQ(worker.call(nobody, "").status, GrpcStatus::not_found);
  EXPECT_EQ(worker.stop("abcdef012345").status, GrpcStatus::not_found);
  EXPECT_EQ(worker.start(worker.create("hyperfaas-nosuch")).status, GrpcStatus::not_found);
}

TEST(Controller, Case6EachListenerHearsEachEvent) {
  const Worker worker;
  worker.deploy("hyperfaas/echo", "echo");
  worker.deploy("hyperfaas/trap", "trap");
  const std::string echo = worker.create("hyperfaas-echo", {.idle_seconds = 1});
  const std::string trap = worker.create("hyperfaas-trap");
  Follower first(worker, "todo");
  Follower second(worker, "todo");
  Follower third(worker, "other");
  const std::string last = worker.started(echo);
  worker.stop(last);
  const std::string idle = worker.started(echo);
  const std::string crashed = worker.started(trap);
  EXPECT_EQ(worker.call(trap, "").status, GrpcStatus::internal);
  for (Follower* const one : {&first, &second, &third}) {
    EXPECT_TRUE(one->hears(Kind::start, last));
    EXPECT_TRUE(one->hears(Kind::stop, last));
    EXPECT_TRUE(one->hears(Kind::down, crashed, true));
    EXPECT_TRUE(one->hears(Kind::timeout, idle));
  }
}

TEST(Controller, Case6AListenerThatComesBackHearsWhatItMissed) {
  const Worker worker;
  worker.deploy("hyperfaas/echo", "echo");
  const std::string function = worker.create("hyperfaas-echo");
  auto first = std::make_unique<Follower>(worker, "leaf");
  const std::string seen = worker.started(function);
  EXPECT_TRUE(first->hears(Kind::start, seen));
  first.reset();
  const std::string missed = worker.started(function);
  Follower again(worker, "leaf");
  EXPECT_TRUE(again.hears(Kind::start, missed));
  EXPECT_FALSE(again.has_heard(Kind::start, seen));
}

TEST(Controller, AListenerWithoutANodesIdComesBackForNobody) {
  const Worker worker;
  worker.deploy("hyperfaas/echo", "echo");
  const std::string function = worker.create("hyperfaas-echo");
  std::make_unique<Follower>(worker, "").reset();
  const std::string missed = worker.started(function);
  Follower other(worker, "");
  const std::string next = worker.started(function);
  EXPECT_TRUE(other.hears(Kind::start, next));
  EXPECT_FALSE(other.has_heard(Kind::start, missed));
}

TEST(Controller, Case5ACallAfterARestartNeedsNoStart) {
  const Worker worker;
  worker.deploy("hyperfaas/echo", "echo");
  const std::string function = worker.create("hyperfaas-echo");
  // As to a leaf that believes in instances which this server knows nothing of.
  const auto called = wire::read_instance_call_reply(worker.call(function, "d").message());
  ASSERT_TRUE(called);
  EXPECT_EQ(called->data, "d");
  EXPECT_EQ(called->instance_id.size(), 12U);
}

TEST(Controller, Case6MeasuresEachCore) {
  const Worker worker;
  const auto answer = worker.client().call(controller + "Metrics", wire::node_request("x"));
  const auto load = wire::read_metrics_reply(answer.message());
  ASSERT_TRUE(load) << answer.words;
  EXPECT_FALSE(load->cpu_percents.empty());
  for (const double percent : load->cpu_percents) {
    EXPECT_GE(percent, 0);
    EXPECT_LE(percent, 100);
  }
  EXPECT_GT(load->ram_percent, 0);
}

TEST(Controller, Case7AsksADatabaseElsewhere) {
  const LiveHyperfaas elsewhere;  // Whose database and leaf are HyperFaaS's, as far as the worker can tell.
  const std::string url = elsewhere.server->other_urls().back();
  const std::string function = elsewhere.create("hyperfaas-echo:latest", {.idle_seconds = 5});
  const Worker worker([&url](Options& options) { options.hyperfaas_database = url; });
  worker.deploy("hyperfaas/echo", "echo");
  EXPECT_NE(worker.started(function), "");
  EXPECT_EQ(wire::read_instance_call_reply(worker.call(function, "d").message())->data, "d");
  const GrpcAnswer unknown = worker.start("0f8fad5b-d9cb-469f-a165-70867728950e");
  EXPECT_EQ(unknown.status, GrpcStatus::not_found);
  EXPECT_EQ(unknown.words, "function id not found");
  const Worker alone([](Options& options) { options.hyperfaas_database = "http://127.0.0.1:1"; });
  const GrpcAnswer unreachable = alone.start(function);
  EXPECT_EQ(unreachable.status, GrpcStatus::unavailable);
  EXPECT_NE(unreachable.words.find("http://127.0.0.1:1"), std::string::npos) << unreachable.words;
}

// Whatever a database is slow with, the disk is not.
TEST(Controller, ASlowDatabaseHoldsUpNobodyElse) {
  Descriptor listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // It answers nothing.
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening.get(), 100), 0);
  ASSERT_EQ(getsockname(listening.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const Worker worker([&url](Options& options) { options.hyperfaas_database = url; });
  GrpcClient client = worker.client();
  for (int i = 0; i < 8; ++i) client.begin(controller + "Start", wire::id_message(to_text(random_uuid())));
  pollfd one{.fd = listening.get(), .events = POLLIN, .revents = 0};
  std::vector<Descriptor> asked;
  while (asked.size() < 2) {
    ASSERT_EQ(poll(&one, 1, 60'000), 1);
    asked.emplace_back(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  EXPECT_EQ(worker.deploy("hyperfaas/echo", "echo").status, 201);
  EXPECT_EQ(poll(&one, 1, 0), 0) << "a third question while two have no answer";
  asked.clear();
  EXPECT_EQ(poll(&one, 1, 60'000), 1);
  listening.reset();  // The rest is told at once that nobody is there.
}

}  // namespace
}  // namespace canopy::hyperfaas
