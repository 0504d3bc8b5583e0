#include "wire/hyperfaas.h"

#include <gtest/gtest.h>

#include "wire/grpc.h"

namespace canopy::wire {
namespace {

// Without what stands before a message.
std::string inside(const std::string& body) { return std::string(*read_grpc_message(body, 1 << 20)); }

const std::string id = "0f8fad5b-d9cb-469f-a165-70867728950e";

TEST(Hyperfaas, CallsAreReadInBothDialects) {
  // As the older dialect's own library writes them, and the newer one's.
  const std::string older = "\x0a\x26\x0a\x24" + id + "\x12\x02hi";
  const std::string newer = "\x0a\x24" + id + "\x12\x02hi";
  for (const std::string& bytes : {older, newer}) {
    const auto call = read_schedule_call(bytes);
    ASSERT_TRUE(call);
    EXPECT_EQ(call->function_id, id);
    EXPECT_EQ(call->data, "hi");
  }
  EXPECT_EQ(inside(schedule_call_request({.function_id = id, .data = "hi"}, IdForm::message)), older);
  EXPECT_EQ(inside(schedule_call_request({.function_id = id, .data = "hi"}, IdForm::text)), newer);
  EXPECT_EQ(inside(schedule_call_reply("hi")), "\x0a\x02hi");
  EXPECT_EQ(read_schedule_call_reply("\x0a\x02hi"), "hi");
}

TEST(Hyperfaas, WhatIsNotThereIsEmpty) {
  EXPECT_EQ(read_schedule_call("")->function_id, "");
  EXPECT_EQ(read_create_function("")->image_tag, "");
  EXPECT_EQ(read_create_function("")->config, LeafConfig());
  EXPECT_EQ(read_instance_call("")->function_id, "");
  // Fields that nobody knows do not matter.
  EXPECT_EQ(read_create_function("\x12\x05\x2a\x03"
                                 "abc")
                ->config,
            LeafConfig());
}

TEST(Hyperfaas, WhatIsNoMessageIsRefused) {
  for (const std::string& bytes : {std::string("\xff"),
                                   std::string("\x0a\x05"
                                               "abc"),
                                   std::string(20, '\xff')}) {
    EXPECT_EQ(read_schedule_call(bytes).error().code, Code::invalid);
    EXPECT_EQ(read_create_function(bytes).error().code, Code::invalid);
    EXPECT_EQ(read_id(bytes).error().code, Code::invalid);
  }
  EXPECT_EQ(read_schedule_call("\x0a\x02\x0a\x09").error().code, Code::invalid) << "an id that is no message";
}

TEST(Hyperfaas, RepliesOfCreateComeInBothDialects) {
  EXPECT_EQ(inside(create_function_reply(id, IdForm::message)), "\x0a\x26\x0a\x24" + id);
  EXPECT_EQ(inside(create_function_reply(id, IdForm::text)), "\x0a\x24" + id);
  for (const auto form : {IdForm::message, IdForm::text}) {
    EXPECT_EQ(read_create_function_reply(inside(create_function_reply(id, form))), id);
  }
}

TEST(Hyperfaas, ConfigsAreReadAsTheyWereWritten) {
  const CreateFunction create{.image_tag = "hyperfaas-echo:latest",
                              .config = {.memory_bytes = 268435456,
                                         .cpu_period_us = 100000,
                                         .cpu_quota_us = 50000,
                                         .idle_seconds = 10,
                                         .max_concurrency = 500}};
  const auto read = read_create_function(inside(create_function_request(create)));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->image_tag, create.image_tag);
  EXPECT_EQ(read->config, create.config);
}

TEST(Hyperfaas, InstancesAndTheirNewsAreReadAsTheyWereWritten) {
  const auto call = read_instance_call(
      inside(instance_call_request({.request_id = 7, .instance_id = "i", .function_id = "f", .data = "d"})));
  ASSERT_TRUE(call);
  EXPECT_EQ(call->request_id, 7);
  EXPECT_EQ(call->instance_id + call->function_id + call->data, "ifd");
  const auto reply = read_instance_call_reply(
      inside(instance_call_reply({.request_id = 7, .instance_id = "i", .data = "d", .error = "e"})));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->instance_id + reply->data + reply->error, "ide");
  const auto started = read_started_reply(inside(started_reply({.id = "i", .address = "a", .name = "n"})));
  ASSERT_TRUE(started);
  EXPECT_EQ(started->id + started->address + started->name, "ian");
  const InstanceEvent down{.kind = InstanceEvent::Kind::down,
                           .is_failure = true,
                           .instance_id = "i",
                           .function_id = "f",
                           .at = WallTime(std::chrono::nanoseconds(1'795'219'711'342'328'907))};
  const auto event = read_event(inside(event_message(down)));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, down.kind);
  EXPECT_TRUE(event->is_failure);
  EXPECT_EQ(event->instance_id + event->function_id, "if");
  EXPECT_EQ(event->at, down.at);
  EXPECT_FALSE(read_event("\x18\x63")) << "a kind that does not exist";
}

TEST(Hyperfaas, TheRestIsReadAsItWasWritten) {
  const auto state = read_state_reply(inside(state_reply("f", true)));
  ASSERT_TRUE(state);
  EXPECT_TRUE(state->function_id == "f" && state->has_instances);
  EXPECT_EQ(read_id(inside(id_message("x"))), "x");
  EXPECT_EQ(read_node_id(inside(node_request("todo"))), "todo");
  const auto load = read_metrics_reply(inside(metrics_reply({.ram_percent = 12.5, .cpu_percents = {1, 2}})));
  ASSERT_TRUE(load);
  EXPECT_EQ(load->ram_percent, 12.5);
  EXPECT_EQ(load->cpu_percents, (std::vector<double>{1, 2}));
  EXPECT_EQ(inside(health_reply(Health::serving)), "\x08\x01");
  EXPECT_EQ(read_health_reply("\x08\x01"), Health::serving);
  EXPECT_FALSE(read_health_reply("\x08\x09"));
  EXPECT_EQ(read_health_request("\x0a\x06worker"), "worker");
}

}  // namespace
}  // namespace canopy::wire
