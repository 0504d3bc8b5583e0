#include "wire/hyperfaas.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <hyperfaas.pb.h>

#include "wire/grpc.h"

namespace canopy::wire {
namespace {

namespace proto = hyperfaas_wire;

template <class Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (bytes.size() <= INT32_MAX && message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return message;
  }
  return fail(Code::invalid, "the message is no " + std::string(what) + ", as Protocol Buffers write it");
}

template <class Message>
std::string print(const Message& message) {
  std::string bytes(grpc_prefix_bytes, '\0');
  message.AppendToString(&bytes);
  bytes.replace(0, grpc_prefix_bytes, grpc_prefix(bytes.size() - grpc_prefix_bytes));
  return bytes;
}

// A text that begins with the byte of a message's first field could be a message, but is no id.
Result<std::string> id_of(std::string bytes) {
  if (!bytes.starts_with('\x0a')) return bytes;
  CANOPY_TRY(auto id, parse<proto::Id>(bytes, "id"));
  return std::move(*id.mutable_id());
}

std::string in_form(std::string_view id, IdForm form) {
  if (form == IdForm::text) return std::string(id);
  proto::Id message;
  message.set_id(std::string(id));
  return message.SerializeAsString();
}

}  // namespace

Result<CreateFunction> read_create_function(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::CreateFunctionRequest>(message, "CreateFunctionRequest"));
  const proto::Config& config = read.config();
  return CreateFunction{.image_tag = std::move(*read.mutable_image()->mutable_tag()),
                        .config = {.memory_bytes = config.memory(),
                                   .cpu_period_us = config.cpu().period(),
                                   .cpu_quota_us = config.cpu().quota(),
                                   .idle_seconds = config.timeout(),
                                   .max_concurrency = config.max_concurrency()}};
}

std::string create_function_request(const CreateFunction& create) {
  proto::CreateFunctionRequest message;
  message.mutable_image()->set_tag(create.image_tag);
  proto::Config& config = *message.mutable_config();
  config.set_memory(create.config.memory_bytes);
  config.mutable_cpu()->set_period(create.config.cpu_period_us);
  config.mutable_cpu()->set_quota(create.config.cpu_quota_us);
  config.set_timeout(create.config.idle_seconds);
  config.set_max_concurrency(create.config.max_concurrency);
  return print(message);
}

std::string create_function_reply(std::string_view function_id, IdForm form) {
  proto::CreateFunctionResponse message;
  message.set_function_id(in_form(function_id, form));
  return print(message);
}

Result<std::string> read_create_function_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::CreateFunctionResponse>(message, "CreateFunctionResponse"));
  return id_of(std::move(*read.mutable_function_id()));
}

Result<ScheduleCall> read_schedule_call(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::ScheduleCallRequest>(message, "ScheduleCallRequest"));
  CANOPY_TRY(std::string id, id_of(std::move(*read.mutable_function_id())));
  return ScheduleCall{.function_id = std::move(id), .data = std::move(*read.mutable_data())};
}

std::string schedule_call_request(const ScheduleCall& call, IdForm form) {
  proto::ScheduleCallRequest message;
  message.set_function_id(in_form(call.function_id, form));
  message.set_data(call.data);
  return print(message);
}

std::string schedule_call_reply(std::string_view data) {
  proto::ScheduleCallResponse message;
  message.set_data(std::string(data));
  return print(message);
}

Result<std::string> read_schedule_call_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::ScheduleCallResponse>(message, "ScheduleCallResponse"));
  return std::move(*read.mutable_data());
}

std::string state_reply(std::string_view function_id, bool has_instances) {
  proto::StateResponse message;
  message.set_function_id(std::string(function_id));
  message.set_have(has_instances);
  return print(message);
}

Result<FunctionState> read_state_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::StateResponse>(message, "StateResponse"));
  return FunctionState{.function_id = std::move(*read.mutable_function_id()), .has_instances = read.have()};
}

Result<InstanceCall> read_instance_call(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::CallRequest>(message, "CallRequest"));
  return InstanceCall{.request_id = read.request_id(),
                      .instance_id = std::move(*read.mutable_instance_id()->mutable_id()),
                      .function_id = std::move(*read.mutable_function_id()->mutable_id()),
                      .data = std::move(*read.mutable_data())};
}

std::string instance_call_request(const InstanceCall& call) {
  proto::CallRequest message;
  message.set_request_id(call.request_id);
  message.mutable_instance_id()->set_id(call.instance_id);
  message.mutable_function_id()->set_id(call.function_id);
  message.set_data(call.data);
  return print(message);
}

std::string instance_call_reply(const InstanceReply& reply) {
  proto::CallResponse message;
  message.set_request_id(reply.request_id);
  message.set_data(reply.data);
  if (!reply.error.empty()) message.mutable_error()->set_message(reply.error);
  message.mutable_instance_id()->set_id(reply.instance_id);
  return print(message);
}

Result<InstanceReply> read_instance_call_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::CallResponse>(message, "CallResponse"));
  return InstanceReply{.request_id = read.request_id(),
                       .instance_id = std::move(*read.mutable_instance_id()->mutable_id()),
                       .data = std::move(*read.mutable_data()),
                       .error = std::move(*read.mutable_error()->mutable_message())};
}

Result<std::string> read_id(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::Id>(message, "id"));
  return std::move(*read.mutable_id());
}

std::string id_message(std::string_view id) {
  proto::Id message;
  message.set_id(std::string(id));
  return print(message);
}

std::string started_reply(const StartedInstance& started) {
  proto::StartResponse message;
  message.mutable_instance_id()->set_id(started.id);
  message.set_instance_ip(started.address);
  message.set_instance_name(started.name);
  return print(message);
}

Result<StartedInstance> read_started_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::StartResponse>(message, "StartResponse"));
  return StartedInstance{.id = std::move(*read.mutable_instance_id()->mutable_id()),
                         .address = std::move(*read.mutable_instance_ip()),
                         .name = std::move(*read.mutable_instance_name())};
}

Result<std::string> read_node_id(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::NodeRequest>(message, "request with a node's id"));
  return std::move(*read.mutable_node_id());
}

std::string node_request(std::string_view node_id) {
  proto::NodeRequest message;
  message.set_node_id(std::string(node_id));
  return print(message);
}

std::string event_message(const InstanceEvent& event) {
  proto::StatusUpdate message;
  message.mutable_instance_id()->set_id(event.instance_id);
  message.set_event(static_cast<std::int32_t>(event.kind));
  message.set_status(event.is_failure ? 1 : 0);
  message.mutable_function_id()->set_id(event.function_id);
  const auto seconds = std::chrono::floor<std::chrono::seconds>(event.at);
  message.mutable_timestamp()->set_seconds(seconds.time_since_epoch().count());
  message.mutable_timestamp()->set_nanos(static_cast<std::int32_t>((event.at - seconds).count()));
  return print(message);
}

Result<InstanceEvent> read_event(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::StatusUpdate>(message, "StatusUpdate"));
  const std::int32_t kind = read.event();
  if (kind < 0 || kind > static_cast<std::int32_t>(InstanceEvent::Kind::running)) {
    return fail(Code::invalid, "the status update is of a kind that does not exist, " + std::to_string(kind));
  }
  const std::int64_t seconds_max = std::numeric_limits<Duration::rep>::max() / 1'000'000'000 - 1;
  const std::int64_t seconds = std::clamp<std::int64_t>(read.timestamp().seconds(), 0, seconds_max);
  return InstanceEvent{.kind = static_cast<InstanceEvent::Kind>(kind),
                       .is_failure = read.status() != 0,
                       .instance_id = std::move(*read.mutable_instance_id()->mutable_id()),
                       .function_id = std::move(*read.mutable_function_id()->mutable_id()),
                       .at = WallTime(std::chrono::seconds(seconds)) + Duration(read.timestamp().nanos())};
}

std::string metrics_reply(const MachineLoad& load) {
  proto::MetricsResponse message;
  message.set_used_ram_percent(load.ram_percent);
  for (const double percent : load.cpu_percents) message.add_cpu_percent_percpu(percent);
  return print(message);
}

Result<MachineLoad> read_metrics_reply(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::MetricsResponse>(message, "MetricsUpdate"));
  return MachineLoad{.ram_percent = read.used_ram_percent(),
                     .cpu_percents = {read.cpu_percent_percpu().begin(), read.cpu_percent_percpu().end()}};
}

Result<std::string> read_health_request(std::string_view message) {
  CANOPY_TRY(auto read, parse<proto::HealthCheckRequest>(message, "HealthCheckRequest"));
  return std::move(*read.mutable_service());
}

std::string health_request(std::string_view service) {
  proto::HealthCheckRequest message;
  message.set_service(std::string(service));
  return print(message);
}

std::string health_reply(Health health) {
  proto::HealthCheckResponse message;
  message.set_status(static_cast<std::int32_t>(health));
  return print(message);
}

Result<Health> read_health_reply(std::string_view message) {
  CANOPY_TRY(const auto read, parse<proto::HealthCheckResponse>(message, "HealthCheckResponse"));
  if (read.status() < 0 || read.status() > static_cast<std::int32_t>(Health::service_unknown)) {
    return fail(Code::invalid, "the health is none that exists, " + std::to_string(read.status()));
  }
  return static_cast<Health>(read.status());
}

}  // namespace canopy::wire
