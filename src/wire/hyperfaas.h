#pragma once
// The messages of HyperFaaS (hyperfaas.proto), read and written. What is read comes from strangers; what is
// written is a whole gRPC message, with the bytes before it (grpc.h).
//
// An id may come as a message or as a text (both dialects); here it is the text.
//
//   invalid  each read_…(): the bytes are no such message

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::wire {

// What a function there may use; 0 is what was not said.
struct LeafConfig {
  std::int64_t memory_bytes = 0;
  std::int64_t cpu_period_us = 0;
  std::int64_t cpu_quota_us = 0;
  std::int32_t idle_seconds = 0;
  std::int32_t max_concurrency = 0;
  bool operator==(const LeafConfig&) const = default;
};

// -- leaf.Leaf and lb.LB
struct CreateFunction {
  std::string image_tag;
  LeafConfig config;
};
Result<CreateFunction> read_create_function(std::string_view message);
std::string create_function_request(const CreateFunction& create);
enum class IdForm : std::uint8_t { message, text };
std::string create_function_reply(std::string_view function_id, IdForm form);
// Of either form.
Result<std::string> read_create_function_reply(std::string_view message);

struct ScheduleCall {
  std::string function_id;
  std::string data;
};
Result<ScheduleCall> read_schedule_call(std::string_view message);
std::string schedule_call_request(const ScheduleCall& call, IdForm form);
std::string schedule_call_reply(std::string_view data);
// Its data.
Result<std::string> read_schedule_call_reply(std::string_view message);

std::string state_reply(std::string_view function_id, bool has_instances);
struct FunctionState {
  std::string function_id;
  bool has_instances = false;
};
Result<FunctionState> read_state_reply(std::string_view message);

// -- controller.Controller and function.FunctionService
struct InstanceCall {
  std::int64_t request_id = 0;
  std::string instance_id;
  std::string function_id;
  std::string data;
};
Result<InstanceCall> read_instance_call(std::string_view message);
std::string instance_call_request(const InstanceCall& call);
struct InstanceReply {
  std::int64_t request_id = 0;
  std::string instance_id;
  std::string data;
  std::string error;  // "" for none.
};
std::string instance_call_reply(const InstanceReply& reply);
Result<InstanceReply> read_instance_call_reply(std::string_view message);

// A function's id, or an instance's.
Result<std::string> read_id(std::string_view message);
std::string id_message(std::string_view id);

struct StartedInstance {
  std::string id;
  std::string address;
  std::string name;
};
std::string started_reply(const StartedInstance& started);
Result<StartedInstance> read_started_reply(std::string_view message);

// Who asks for news or measurements.
Result<std::string> read_node_id(std::string_view message);
std::string node_request(std::string_view node_id);

struct InstanceEvent {
  enum class Kind : std::uint8_t { response, down, timeout, start, stop, call, running };
  Kind kind = Kind::start;
  bool is_failure = false;
  std::string instance_id;
  std::string function_id;
  WallTime at{};
};
std::string event_message(const InstanceEvent& event);
Result<InstanceEvent> read_event(std::string_view message);

struct MachineLoad {
  double ram_percent = 0;
  std::vector<double> cpu_percents;  // Of each core.
};
std::string metrics_reply(const MachineLoad& load);
Result<MachineLoad> read_metrics_reply(std::string_view message);

// -- grpc.health.v1.Health
enum class Health : std::uint8_t { unknown, serving, not_serving, service_unknown };
Result<std::string> read_health_request(std::string_view message);  // The name of a service.
std::string health_request(std::string_view service);
std::string health_reply(Health health);
Result<Health> read_health_reply(std::string_view message);

}  // namespace canopy::wire
