#include "wire/frame.h"

#include <limits>

#include <gtest/gtest.h>

#include "frames.pb.h"
#include "wire/node_frames.h"

namespace canopy::wire {
namespace {

std::string frame(FrameKind kind, std::uint64_t call, std::string_view body) {
  std::string bytes;
  append_frame({.kind = kind, .call = call}, body, bytes);
  return bytes;
}

TEST(Frame, IsReadAsItWasWritten) {
  const std::string bytes =
      frame(FrameKind::open, 0x0102030405060708, "first") + frame(FrameKind::ping, 0, "");
  std::string_view rest = bytes;
  const auto first = take_frame(rest);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->head.kind, FrameKind::open);
  EXPECT_EQ((*first)->head.call, 0x0102030405060708);
  EXPECT_EQ((*first)->body, "first");
  const auto second = take_frame(rest);
  ASSERT_TRUE(second && *second);
  EXPECT_EQ((*second)->head.kind, FrameKind::ping);
  EXPECT_TRUE(rest.empty());
}

TEST(Frame, IsWaitedForUntilItIsWhole) {
  const std::string bytes = frame(FrameKind::data, 7, "body");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view part = std::string_view(bytes).substr(0, size);
    const auto taken = take_frame(part);
    ASSERT_TRUE(taken) << size;
    EXPECT_FALSE(*taken) << size;
    EXPECT_EQ(part.size(), size);
  }
  EXPECT_EQ(frame_bytes(bytes), bytes.size());
}

TEST(Frame, RefusesWhatIsNone) {
  std::string_view small("\x03\0\0\0\x01\0\0", 7);
  EXPECT_EQ(take_frame(small).error().code, Code::invalid);
  std::string_view large("\xff\xff\xff\x7f\x01\0\0", 7);
  EXPECT_EQ(take_frame(large).error().code, Code::too_large);
  std::string unknown = frame(FrameKind::data, 1, "x");
  unknown[4] = '\x63';
  std::string_view view = unknown;
  EXPECT_EQ(take_frame(view).error().code, Code::invalid);
}

TEST(NodeFrames, AFunctionComesOutAsItWentIn) {
  Function function;
  function.name = {"demo", "echo"};
  function.version = 3;
  function.digest = std::string(64, 'a');
  function.code_bytes = 12;
  function.runtime = "js";
  function.limits = {.memory_bytes = 1,
                     .timeout = Duration(2),
                     .concurrency = 3,
                     .output_bytes = 4,
                     .log_bytes = 5,
                     .tmp_bytes = 6,
                     .open_files = 7,
                     .table_elements = 8};
  function.env = {{"A", "b"}, {"C", "\xff\xfe"}};
  function.files = {{"dir/name", std::string(64, 'b'), 9}};
  function.created = WallTime(Duration(10));
  std::string body;
  write_function(function, body);
  const auto read = read_function(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->name, function.name);
  EXPECT_EQ(read->version, function.version);
  EXPECT_EQ(read->digest, function.digest);
  EXPECT_EQ(read->code_bytes, function.code_bytes);
  EXPECT_EQ(read->runtime, function.runtime);
  EXPECT_EQ(read->limits, function.limits);
  EXPECT_EQ(read->env, function.env);
  EXPECT_EQ(read->files, function.files);
  EXPECT_EQ(read->created, function.created);
}

// A worker writes them to its disk.
TEST(NodeFrames, AFunctionsFilesLieInItsFolder) {
  const auto reads = [](const FunctionName& name, const std::string& path) {
    Function function;
    function.name = name;
    function.files = {{path, std::string(64, 'b'), 9}};
    std::string body;
    write_function(function, body);
    return read_function(body).has_value();
  };
  const FunctionName name{"a", "b"};
  EXPECT_TRUE(reads(name, "data/words.txt"));
  for (const char* const path : {"", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\nb", "a/"}) {
    EXPECT_FALSE(reads(name, path)) << path;
  }
  EXPECT_FALSE(reads(name, std::string("a\0b", 3)));
  EXPECT_FALSE(reads({"..", "b"}, "a"));
  EXPECT_FALSE(reads({"a", "b/c"}, "a"));
}

TEST(NodeFrames, TimesThatCannotBeAreBounded) {
  frames::Open message;
  message.set_waited_ns(std::numeric_limits<std::int64_t>::min());
  message.set_left_ns(std::numeric_limits<std::int64_t>::max());
  message.set_latest_ns(std::numeric_limits<std::int64_t>::max());
  const auto read = read_open(message.SerializeAsString());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->waited, Duration::zero());
  const Time now{std::chrono::hours(24 * 366 * 50)};
  EXPECT_GT(now + *read->left, now);
  EXPECT_GT(now + read->latest, now);
}

TEST(NodeFrames, ACallCarriesWhatIsLeftOfItsTime) {
  const Time now{Duration(1'000'000)};
  const std::string input(piece_bytes_max + 10, 'i');
  Call call;
  call.id = {1, 2};
  call.queued = now - Duration(300);
  call.deadline = now + Duration(500);
  call.attempt = 4;
  call.method = "PUT";
  call.path = "/a/\xff";
  call.query = "b=c";
  call.headers = {{"X-One", "1"}, {"X-Two", ""}};
  call.input = input;
  std::string body;
  write_open(call, 9, now, body);
  const auto read = read_open(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, call.id);
  EXPECT_EQ(read->function, 9U);
  EXPECT_EQ(read->attempt, 4U);
  EXPECT_EQ(read->waited, Duration(300));
  EXPECT_EQ(read->left, Duration(500));
  EXPECT_EQ(read->method, "PUT");
  EXPECT_EQ(read->path, "/a/\xff");
  EXPECT_EQ(read->query, "b=c");
  ASSERT_EQ(read->headers.size(), 2U);
  EXPECT_EQ(read->headers[0].name, "X-One");
  EXPECT_EQ(read->input.size(), piece_bytes_max);
  EXPECT_EQ(read->input_bytes, input.size());

  call.deadline = never;
  write_open(call, 9, now, body);
  EXPECT_FALSE(read_open(body)->left);
  call.deadline = now - Duration(5);
  write_open(call, 9, now, body);
  EXPECT_EQ(read_open(body)->left, Duration(1));
}

TEST(NodeFrames, SpansOfTimeAreOfALengthThatCanBeAddedToATime) {
  constexpr Duration longest = std::chrono::hours(24 * 366);
  for (const std::int64_t span :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    frames::Open message;
    message.set_waited_ns(span);
    message.set_left_ns(span);
    message.set_latest_ns(span);
    const auto read = read_open(message.SerializeAsString());
    ASSERT_TRUE(read && read->left);
    frames::Load load;
    load.set_cpu_ns(span);
    const Duration cpu_time = read_load(load.SerializeAsString())->cpu_time;
    for (const Duration one : {read->waited, *read->left, read->latest, cpu_time}) {
      EXPECT_EQ(one, span < 0 ? Duration::zero() : longest);
    }
  }
}

TEST(NodeFrames, ADurableCallSaysHowFarItsDeadlineMayBePutOff) {
  const Time now{Duration(1'000'000)};
  Call call;
  std::string body;
  call.deadline = now + Duration(500);
  write_open(call, 9, now, body);
  EXPECT_EQ(read_open(body)->latest, Duration::zero());
  call.deadline_latest = now + Duration(700);
  write_open(call, 9, now, body);
  EXPECT_EQ(read_open(body)->latest, Duration(700));
  call.deadline_latest = never;
  write_open(call, 9, now, body);
  EXPECT_LE(read_open(body)->latest, std::chrono::hours(24 * 366));
  EXPECT_GE(read_open(body)->latest, std::chrono::hours(24 * 365));
}

TEST(NodeFrames, AReplyGoesOnBehindItsOutput) {
  Reply reply;
  reply.status = 418;
  reply.exit_code = 3;
  reply.headers = {{"A", "b"}};
  reply.usage = {.wait_time = Duration(1),
                 .run_time = Duration(2),
                 .cpu_time = Duration(3),
                 .memory_bytes = 4,
                 .cold = true};
  reply.error = Error{Code::died, "unreachable", Stage::run};
  std::string body;
  write_end(reply, "tail", 12, body);
  Reply read;
  read.output = "head ";
  EXPECT_EQ(*read_end(body, read), 12U);
  EXPECT_EQ(read.output, "head tail");
  EXPECT_EQ(read.status, 418);
  EXPECT_EQ(read.exit_code, 3);
  EXPECT_EQ(read.headers[0].value, "b");
  EXPECT_EQ(read.usage.cpu_time, Duration(3));
  EXPECT_TRUE(read.usage.cold);
  EXPECT_EQ(read.error->code, Code::died);
  EXPECT_EQ(read.error->message, "unreachable");
  EXPECT_EQ(read.error->stage, Stage::run);
}

TEST(NodeFrames, AReplySaysWhatItsRunnerMeasuredAndNotTheWayToIt) {
  Reply reply;
  reply.usage = {.wait_time = Duration(100),
                 .start_time = Duration(20),
                 .hop_time = Duration(30),
                 .run_time = Duration(5)};
  reply.node = "leaf/one";
  std::string body;
  write_end(reply, {}, 0, body);
  Reply read;
  ASSERT_TRUE(read_end(body, read));
  EXPECT_EQ(read.usage.wait_time, Duration(70));
  EXPECT_EQ(read.usage.start_time, Duration(20));
  EXPECT_EQ(read.usage.run_time, Duration(5));
  EXPECT_FALSE(read.usage.hop_time);
  EXPECT_EQ(read.node, "leaf/one");
}

// A body as it was before there were starts and nodes, and is for a warm call still.
TEST(NodeFrames, AReplyOfAnOlderProgramIsRead) {
  // status 200, queue_ns 100, run_ns 5, cold
  const std::string body("\x08\x90\x03\x28\xc8\x01\x30\x0a\x48\x01", 10);
  Reply read;
  ASSERT_TRUE(read_end(body, read));
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.usage.wait_time, Duration(100));
  EXPECT_EQ(read.usage.start_time, Duration::zero());
  EXPECT_EQ(read.usage.queue_time(), Duration(100));
  EXPECT_EQ(read.usage.run_time, Duration(5));
  EXPECT_TRUE(read.usage.cold);
  EXPECT_EQ(read.node, "");
  std::string again;
  write_end(read, {}, 0, again);
  EXPECT_EQ(again, body);
}

TEST(NodeFrames, AReplyThatStartedForLongerThanItWaitedIsCutAndANodeThatIsNoneLeftOut) {
  Reply reply;
  reply.usage = {.wait_time = Duration(10), .start_time = Duration(20)};
  for (const std::string& node : {std::string("a//b"), std::string("\xff"), std::string(5000, 'a')}) {
    reply.node = node;
    std::string body;
    write_end(reply, {}, 0, body);
    Reply read;
    ASSERT_TRUE(read_end(body, read));
    EXPECT_EQ(read.usage.start_time, Duration(10));
    EXPECT_EQ(read.node, "");
  }
}

TEST(NodeFrames, AReplyThatTookLessThanNoTimeIsRefused) {
  for (const Usage& usage : {Usage{.wait_time = Duration(-1)}, Usage{.start_time = Duration(-1)},
                             Usage{.run_time = Duration(-1)}, Usage{.cpu_time = Duration(-1)}}) {
    Reply reply;
    reply.usage = usage;
    std::string body;
    write_end(reply, {}, 0, body);
    EXPECT_EQ(read_end(body, reply).error().code, Code::invalid);
  }
}

TEST(NodeFrames, AReplyEndsWithNoErrorThatIsAboutAClient) {
  for (int number = 0; number <= static_cast<int>(Code::deadline); ++number) {
    const auto code = static_cast<Code>(number);
    Reply reply;
    reply.error = Error{code, "words", Stage::run};
    std::string body;
    write_end(reply, {}, 0, body);
    Reply read;
    EXPECT_EQ(read_end(body, read).has_value(), is_of_a_run(code)) << name(code);
  }
  for (const Code code : {Code::unauthorized, Code::forbidden, Code::not_found, Code::slow_client,
                          Code::conflict, Code::too_large}) {
    EXPECT_FALSE(is_of_a_run(code)) << name(code);
  }
}

TEST(NodeFrames, SetupHelloAndLoadComeOutAsTheyWentIn) {
  std::string body;
  write_setup({.worker = 2,
               .data = "/x",
               .instances_max = 3,
               .slots = 4,
               .slice = Duration(5),
               .templates_bytes_max = 6,
               .fetch_private = true,
               .log_level = "debug"},
              body);
  const auto setup = read_setup(body);
  ASSERT_TRUE(setup);
  EXPECT_EQ(setup->worker, 2U);
  EXPECT_EQ(setup->data, "/x");
  EXPECT_EQ(setup->instances_max, 3U);
  EXPECT_EQ(setup->slots, 4U);
  EXPECT_EQ(setup->slice, Duration(5));
  EXPECT_EQ(setup->templates_bytes_max, 6U);
  EXPECT_TRUE(setup->fetch_private);
  EXPECT_EQ(setup->log_level, "debug");
  write_hello({.version = 1, .credit = 2, .process = 3}, body);
  EXPECT_EQ(read_hello(body)->credit, 2U);
  write_load({.running_count = 1, .resident_bytes = 2, .templates_bytes = 3, .cpu_time = Duration(4)}, body);
  EXPECT_EQ(read_load(body)->cpu_time, Duration(4));
}

TEST(NodeFrames, WhatIsNoBodyIsRefused) {
  const std::string_view junk = "\xff\xff\xff\xff";
  Reply reply;
  EXPECT_EQ(read_setup(junk).error().code, Code::invalid);
  EXPECT_EQ(read_hello(junk).error().code, Code::invalid);
  EXPECT_EQ(read_function(junk).error().code, Code::invalid);
  EXPECT_EQ(read_open(junk).error().code, Code::invalid);
  EXPECT_EQ(read_end(junk, reply).error().code, Code::invalid);
  EXPECT_EQ(read_load(junk).error().code, Code::invalid);
  EXPECT_EQ(read_setup("").error().code, Code::invalid);  // Of no version.
}

}  // namespace
}  // namespace canopy::wire
