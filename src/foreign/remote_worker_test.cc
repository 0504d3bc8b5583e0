#include "foreign/remote_worker.h"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "container/grpc_peer.h"
#include "foreign/remote_workers.h"

namespace canopy::foreign {
namespace {

using container::GrpcPeer;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A worker that the test plays.
struct Played {
  std::deque<Descriptor> connections;  // The worker's side of each, in order.
  std::optional<GrpcPeer> peer;        // Of the last one.
  bool listens = true;
};

class Workers : public testing::Test {
 protected:
  Dial dial() {
    return [this](const std::string& address, const OnDialled& done) {
      Played& played = played_[address];
      Result<Descriptor> ours = fail(Code::unavailable, "nobody listens");
      if (played.listens) {
        std::array<int, 2> ends{};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        ours = Descriptor(ends[0]);
        played.connections.emplace_back(ends[1]);
        played.peer.emplace(ends[1]);
      }
      const auto shared = std::make_shared<Result<Descriptor>>(std::move(ours));
      core_.post([shared, done] { done(std::move(*shared)); });
    };
  }

  void pass(Duration time) {
    clock_.advance(time);
    core_.poll();
  }

  GrpcPeer& peer(const std::string& address = "a:1") { return *played_[address].peer; }
  // The one stream that was asked since the last time.
  std::uint32_t hear(const std::string& address = "a:1") {
    const auto streams = peer(address).hear();
    EXPECT_EQ(streams.size(), 1U);
    return streams.empty() ? 0 : streams.back();
  }
  // Serves, and has its status followed.
  void come_up(const std::string& address = "a:1") {
    core_.poll();
    peer(address).answer(hear(address), wire::health_reply(wire::Health::serving));
    core_.poll();
    status_[address] = hear(address);
    peer(address).begin(status_[address]);
  }
  void tell(wire::InstanceEvent::Kind kind, const std::string& instance, const std::string& address = "a:1") {
    peer(address).send_data(status_[address],
                            wire::event_message({.kind = kind, .instance_id = instance, .function_id = "f"}));
    core_.poll();
  }
  void answer_start(std::uint32_t stream, const std::string& instance, const std::string& address = "a:1") {
    peer(address).answer(stream, wire::started_reply({.id = instance, .address = "127.0.0.1", .name = "x"}));
    core_.poll();
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  std::map<std::string, Played> played_;
  std::map<std::string, std::uint32_t> status_;
};

using Kind = wire::InstanceEvent::Kind;

class OneWorker : public Workers {
 protected:
  OneWorker() {
    worker_.open();
    come_up();
  }
  // What was started, and what came of it.
  struct Started {
    std::optional<Result<std::string>> instance;
    std::vector<Ending> endings;
  };
  std::shared_ptr<Started> start() {
    auto started = std::make_shared<Started>();
    worker_.start(
        "f", [started](Ending ending) { started->endings.push_back(ending); },
        [started](Result<std::string> instance) { started->instance = std::move(instance); });
    core_.poll();
    return started;
  }
  std::shared_ptr<Started> start(const std::string& instance) {
    auto started = start();
    answer_start(hear(), instance);
    return started;
  }

  int up_count_ = 0;
  RemoteWorker worker_{core_, "a:1", dial(), [this] { ++up_count_; }};
};

TEST_F(OneWorker, StartsInstancesAndHearsOfTheirEnds) {
  EXPECT_TRUE(worker_.is_up());
  EXPECT_EQ(up_count_, 1);
  const auto first = start("one");
  const auto second = start("two");
  ASSERT_TRUE(first->instance && *first->instance);
  EXPECT_EQ(**first->instance, "one");
  EXPECT_EQ(worker_.instance_count(), 2U);
  tell(Kind::start, "one");
  tell(Kind::running, "one");
  EXPECT_TRUE(first->endings.empty());
  tell(Kind::timeout, "one");
  tell(Kind::down, "two");
  tell(Kind::timeout, "nobody's");
  EXPECT_EQ(first->endings, std::vector{Ending::idle});
  EXPECT_EQ(second->endings, std::vector{Ending::crashed});
  EXPECT_EQ(worker_.instance_count(), 0U);
}

TEST_F(OneWorker, AnEventInPiecesIsOne) {
  const auto started = start("one");
  const std::string event =
      wire::event_message({.kind = Kind::timeout, .instance_id = "one", .function_id = ""});
  for (const char byte : event) {
    peer().send_data(status_["a:1"], {&byte, 1});
    core_.poll();
  }
  EXPECT_EQ(started->endings, std::vector{Ending::idle});
}

TEST_F(OneWorker, AnEndMayBeHeardOfBeforeItsStart) {
  const auto started = start();
  const std::uint32_t stream = hear();
  tell(Kind::down, "one");
  answer_start(stream, "one");
  ASSERT_TRUE(started->instance && *started->instance);
  EXPECT_EQ(started->endings, std::vector{Ending::crashed});
}

// The one that is there would never be heard of again.
TEST_F(OneWorker, AnInstanceThatIsThereAlreadyIsNoNewOne) {
  const auto first = start("one");
  for (const std::string& id : {std::string("one"), std::string(257, 'x'), std::string()}) {
    const auto refused = start(id);
    ASSERT_TRUE(refused->instance && !*refused->instance) << id;
    EXPECT_EQ(refused->instance->error().code, Code::died);
  }
  EXPECT_EQ(worker_.instance_count(), 1U);
  tell(Kind::timeout, "one");
  EXPECT_EQ(first->endings, std::vector{Ending::idle});
  EXPECT_TRUE(*start("one")->instance);
}

TEST_F(OneWorker, WhatItDoesNotStartItSaysWhy) {
  const auto unknown = start();
  peer().answer(hear(), "", "5", "no such key");
  core_.poll();
  ASSERT_TRUE(unknown->instance && !*unknown->instance);
  EXPECT_EQ(unknown->instance->error().code, Code::not_found);
  EXPECT_NE(unknown->instance->error().message.find("a:1"), std::string::npos);
  EXPECT_NE(unknown->instance->error().message.find("no such key"), std::string::npos);
  const auto broken = start();
  peer().answer(hear(), "", "13", "");
  core_.poll();
  EXPECT_EQ(broken->instance->error().code, Code::died);
  const auto odd = start();
  peer().answer(hear(), wire::started_reply({}));
  core_.poll();
  EXPECT_EQ(odd->instance->error().code, Code::died);
  EXPECT_EQ(worker_.instance_count(), 0U);
}

TEST_F(OneWorker, StopIsOverWhenItSaysSoOrSoonAfter) {
  const auto first = start("one");
  const auto second = start("two");
  worker_.stop("one", seconds(1));
  core_.poll();
  peer().answer(hear(), wire::id_message("one"));
  core_.poll();
  EXPECT_EQ(first->endings, std::vector{Ending::idle});
  worker_.stop("two", seconds(1));
  worker_.stop("two", milliseconds(500));
  core_.poll();
  hear();  // It is told once, and says nothing.
  EXPECT_TRUE(second->endings.empty());
  pass(milliseconds(600));
  EXPECT_EQ(second->endings, std::vector{Ending::idle});
}

TEST_F(OneWorker, IsLostWithItsConnectionAndComesBack) {
  const auto had = start("one");
  const auto asked = start();
  played_["a:1"].connections.back().reset();
  core_.poll();
  EXPECT_FALSE(worker_.is_up());
  EXPECT_EQ(had->endings, std::vector{Ending::lost});
  ASSERT_TRUE(asked->instance && !*asked->instance);
  EXPECT_EQ(asked->instance->error().code, Code::unavailable);
  const auto meanwhile = start();
  EXPECT_EQ(meanwhile->instance->error().code, Code::unavailable);
  played_["a:1"].listens = false;
  for (int i = 0; i < 10; ++i) pass(seconds(1));
  played_["a:1"].listens = true;
  pass(seconds(1));
  peer().answer(hear(), wire::health_reply(wire::Health::serving));
  core_.poll();
  EXPECT_TRUE(worker_.is_up());
  EXPECT_EQ(up_count_, 2);
  // Its status is followed, and what it may still have of ours is stopped.
  const auto streams = peer().hear();
  ASSERT_EQ(streams.size(), 2U);
  const auto stopped = wire::read_grpc_message(peer().bodies[streams.back()], 100);
  ASSERT_TRUE(stopped);
  EXPECT_EQ(wire::read_id(*stopped).value_or(""), "one");
}

// Whichever of the two is heard of first.
TEST_F(OneWorker, WhatItStartedAsItWasLostIsStoppedLater) {
  const auto asked = start();
  peer().answer(hear(), wire::started_reply({.id = "one", .address = "127.0.0.1", .name = "x"}));
  played_["a:1"].connections.back().reset();
  core_.poll();
  EXPECT_FALSE(worker_.is_up());
  EXPECT_EQ(worker_.instance_count(), 0U);
  ASSERT_TRUE(asked->instance);
  pass(seconds(1));
  peer().answer(hear(), wire::health_reply(wire::Health::serving));
  core_.poll();
  const auto streams = peer().hear();
  ASSERT_EQ(streams.size(), 2U) << "its status, and the stop";
  const auto stopped = wire::read_grpc_message(peer().bodies[streams.back()], 100);
  ASSERT_TRUE(stopped);
  EXPECT_EQ(wire::read_id(*stopped).value_or(""), "one");
}

// It serves, it says, and breaks off: again and again.
TEST_F(OneWorker, OneThatIsLostOverAndOverIsDialledLessOften) {
  auto& connections = played_["a:1"].connections;
  const std::size_t before = connections.size();
  for (int i = 0; i < 1000; ++i) {
    if (connections.back()) {
      for (const std::uint32_t stream : peer().hear()) {
        peer().answer(stream, wire::health_reply(wire::Health::serving));
      }
      core_.poll();
      if (worker_.is_up()) connections.back().reset();
    }
    pass(milliseconds(10));
  }
  EXPECT_GT(up_count_, 5);
  EXPECT_LE(connections.size() - before, 40U) << "in ten seconds";
}

TEST_F(OneWorker, IsLostWhenItSaysNothing) {
  const auto had = start("one");
  pass(seconds(2));
  peer().answer(hear(), wire::health_reply(wire::Health::serving));
  core_.poll();
  pass(seconds(2));
  hear();
  EXPECT_TRUE(worker_.is_up());
  pass(seconds(3));
  EXPECT_FALSE(worker_.is_up());
  EXPECT_EQ(had->endings, std::vector{Ending::lost});
}

TEST_F(OneWorker, IsLostWhenItSaysThatItDoesNotServe) {
  pass(seconds(2));
  peer().answer(hear(), wire::health_reply(wire::Health::not_serving));
  core_.poll();
  EXPECT_FALSE(worker_.is_up());
}

TEST_F(OneWorker, NeedNotServeHealth) {
  pass(seconds(2));
  peer().answer(hear(), "", "12", "unknown service");
  core_.poll();
  EXPECT_TRUE(worker_.is_up());
}

TEST_F(OneWorker, IsLostWithOddEvents) {
  for (const std::string_view odd :
       {std::string_view("\0\xff\xff\xff\xff", 5), std::string_view("\0\0\0\0\2\xff\xff", 7),
        std::string_view("\1\0\0\0\0", 5)}) {
    ASSERT_TRUE(worker_.is_up());
    peer().send_data(status_["a:1"], odd);
    core_.poll();
    EXPECT_FALSE(worker_.is_up());
    pass(seconds(1));
    come_up();
  }
}

// The answer is acted upon a round later than the event that it came with.
TEST_F(OneWorker, IsNotBackByAnAnswerFromBeforeItWasLost) {
  pass(seconds(2));
  const std::uint32_t health = hear();
  peer().answer(health, wire::health_reply(wire::Health::serving));
  peer().send_data(status_["a:1"], std::string_view("\0\xff\xff\xff\xff", 5));
  core_.poll();
  core_.poll();
  EXPECT_FALSE(worker_.is_up());
  pass(seconds(1));
  come_up();
  EXPECT_TRUE(worker_.is_up());
  EXPECT_EQ(up_count_, 2);
}

TEST_F(OneWorker, NoTwoInstancesHaveOneId) {
  const auto first = start("one");
  const auto second = start("one");
  ASSERT_TRUE(first->instance && *first->instance && second->instance);
  ASSERT_FALSE(*second->instance);
  EXPECT_EQ(second->instance->error().code, Code::died);
  EXPECT_EQ(worker_.instance_count(), 1U);
  tell(Kind::timeout, "one");
  EXPECT_EQ(first->endings, std::vector{Ending::idle});
  EXPECT_TRUE(second->endings.empty());
}

TEST_F(OneWorker, IsLostWithItsStatus) {
  peer().end(status_["a:1"], "0");
  core_.poll();
  core_.poll();
  EXPECT_FALSE(worker_.is_up());
}

class ManyWorkers : public Workers {
 protected:
  using Placed = std::optional<Result<RemoteWorkers::Place>>;
  std::shared_ptr<Placed> start() {
    auto placed = std::make_shared<Placed>();
    workers_.start(
        "f", [](Ending) {}, [placed](Result<RemoteWorkers::Place> place) { *placed = std::move(place); });
    core_.poll();
    return placed;
  }

  RemoteWorkers workers_{core_, {"a:1", "b:2"}, dial()};
};

TEST_F(ManyWorkers, TakeTurnsByWhatTheyHave) {
  come_up("a:1");
  come_up("b:2");
  core_.poll();
  const auto first = start();
  const auto second = start();
  answer_start(hear("a:1"), "one", "a:1");
  answer_start(hear("b:2"), "two", "b:2");
  ASSERT_TRUE(*first && **first && *second && **second);
  EXPECT_EQ((**first)->worker->address(), "a:1");
  EXPECT_EQ((**second)->worker->address(), "b:2");
}

TEST_F(ManyWorkers, TheNextDoesWhatOneDoesNot) {
  come_up("a:1");
  come_up("b:2");
  core_.poll();
  const auto placed = start();
  played_["a:1"].connections.back().reset();
  core_.poll();
  EXPECT_FALSE(*placed);
  answer_start(hear("b:2"), "two", "b:2");
  ASSERT_TRUE(*placed && **placed);
  const auto refused = start();
  peer("b:2").answer(hear("b:2"), "", "5", "no such key");
  core_.poll();
  ASSERT_TRUE(*refused && !**refused);
  EXPECT_EQ((*refused)->error().code, Code::not_found);
}

TEST_F(ManyWorkers, AreWaitedForForAMoment) {
  core_.poll();
  const auto early = start();
  EXPECT_FALSE(*early);
  peer("b:2").answer(hear("b:2"), wire::health_reply(wire::Health::serving));
  core_.poll();
  const auto streams = peer("b:2").hear();
  ASSERT_EQ(streams.size(), 2U) << "its status, and the start";
  answer_start(streams.back(), "two", "b:2");
  ASSERT_TRUE(*early && **early);
}

TEST_F(ManyWorkers, NobodyThereIsSaid) {
  const auto placed = start();
  pass(seconds(2));
  ASSERT_TRUE(*placed && !**placed);
  EXPECT_EQ((*placed)->error().code, Code::unavailable);
  EXPECT_NE((*placed)->error().message.find("a:1, b:2"), std::string::npos);
}

}  // namespace
}  // namespace canopy::foreign
