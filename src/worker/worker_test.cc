// The worker's side of a connection alone: what it answers to frames that no crew sends.

#include "worker/worker.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include "base/log.h"
#include "exec/fake_runtime.h"
#include "net/frame_pair.h"

namespace canopy::worker {
namespace {

using wire::FrameKind;

struct Heard final : net::FrameListener {
  void on_frame(const wire::Frame& frame) override {
    kinds.push_back(frame.head.kind);
    if (frame.head.kind != FrameKind::end) return;
    Reply reply;
    EXPECT_TRUE(wire::read_end(frame.body, reply));
    ends.push_back(std::move(reply));
  }
  void on_closed(const std::string& /*why*/) override {}

  std::vector<FrameKind> kinds;
  std::vector<Reply> ends;
};

class WorkerTest : public testing::Test {
 protected:
  WorkerTest() : parent_(line_.left()) {
    parent_->listen(heard_);
    worker_.serve(line_.right());
    settle();
  }
  void TearDown() override {
    line_.cut();
    core_.poll();
  }

  void settle() {
    while (line_.pump() || core_.poll() > 0) {
    }
  }
  void say(FrameKind kind, std::uint64_t call, const std::string& body) {
    parent_->send({.kind = kind, .call = call}, body);
    settle();
  }
  static std::string open_body() {
    Call call;
    std::string body;
    wire::write_open(call, 7, Time{}, body);
    return body;
  }

  FakeClock clock_;
  exec::Core core_{0, clock_};
  net::BlockingPool disk_{1, 10};
  exec::Runtimes runtimes_;
  net::FramePair line_;
  Heard heard_;
  std::unique_ptr<net::FrameLink> parent_;
  Worker worker_{core_, runtimes_, disk_, {.slots = 3, .room = {.bytes_max = 1, .count_max = 1}}};
};

TEST_F(WorkerTest, SaysHelloFirst) { EXPECT_EQ(heard_.kinds, std::vector{FrameKind::hello}); }

TEST_F(WorkerTest, ACallOfNoFunctionHasAnEndRatherThanAnotherWorker) {
  say(FrameKind::open, 1, open_body());
  ASSERT_EQ(heard_.ends.size(), 1U);
  EXPECT_EQ(heard_.ends[0].error->code, Code::internal);
  EXPECT_EQ(heard_.ends[0].error->message, "its worker cannot begin it: no function came under the number 7");
}

TEST_F(WorkerTest, ACallThatCannotBeReadHasAnEnd) {
  say(FrameKind::define, 7, "\xff");
  say(FrameKind::open, 1, "\xff");
  ASSERT_EQ(heard_.ends.size(), 1U);
  EXPECT_EQ(heard_.ends[0].error->code, Code::internal);
  EXPECT_EQ(worker_.running_count(), 0U);
}

TEST_F(WorkerTest, OneThatDrainsRefuses) {
  worker_.drain([] {});
  say(FrameKind::open, 1, open_body());
  EXPECT_EQ(heard_.kinds, (std::vector{FrameKind::hello, FrameKind::goaway, FrameKind::refuse}));
}

TEST_F(WorkerTest, AConnectionThatComesWhileItDrainsIsToldSo) {
  bool drained = false;
  worker_.drain([&drained] { drained = true; });
  net::FramePair late;
  Heard heard;
  const auto parent = late.left();
  parent->listen(heard);
  worker_.serve(late.right());
  late.pump();
  EXPECT_EQ(heard.kinds, (std::vector{FrameKind::hello, FrameKind::goaway}));
  line_.cut();
  EXPECT_FALSE(drained);
  late.cut();
  EXPECT_TRUE(drained);
}

TEST_F(WorkerTest, FramesThatAreNotForItChangeNothing) {
  say(FrameKind::hello, 0, "");
  say(FrameKind::data, 5, "input of nothing");
  say(FrameKind::cancel, 5, "");
  say(FrameKind::forget, 5, "");
  EXPECT_EQ(heard_.kinds, std::vector{FrameKind::hello});
}

// Whoever it has joined may send such frames without end.
TEST_F(WorkerTest, WhatItIsSentWrongFillsNoLog) {
  std::ostringstream lines;
  const auto before = log::default_logger();
  log::set_default_logger(
      std::make_shared<log::logger>("test", std::make_shared<log::sinks::ostream_sink_st>(lines)));
  const auto count = [&lines] { return std::ranges::count(lines.str(), '\n'); };
  for (int i = 0; i < 1000; ++i) {
    say(FrameKind::hello, 0, "");
    say(FrameKind::define, 7, "\xff");
    say(FrameKind::open, 1, open_body());
  }
  EXPECT_EQ(heard_.ends.size(), 1000U);
  EXPECT_EQ(count(), 10);
  clock_.advance(std::chrono::minutes(1));
  say(FrameKind::hello, 0, "");
  EXPECT_EQ(count(), 11);
  EXPECT_NE(lines.str().find("(2990 such lines before it were left out)"), std::string::npos);
  log::set_default_logger(before);
}

}  // namespace
}  // namespace canopy::worker
