// A body of gRPC, the messages of HyperFaaS in it, and what its headers say: whatever the bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/grpc.h"
#include "wire/hyperfaas.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t bytes_max = 4096;

// What stands before a message was written by us, and is left out again.
std::string_view inside(std::string_view body) { return body.substr(wire::grpc_prefix_bytes); }

void read_each(std::string_view message) {
  if (const auto call = wire::read_schedule_call(message)) {
    // An id that begins as a message does was no text before.
    for (const auto form : {wire::IdForm::message, wire::IdForm::text}) {
      const auto again = wire::read_schedule_call(inside(wire::schedule_call_request(*call, form)));
      if (form == wire::IdForm::message) CANOPY_CHECK(again && again->function_id == call->function_id);
      if (again) CANOPY_CHECK(again->data == call->data);
    }
  }
  if (const auto create = wire::read_create_function(message)) {
    const auto again = wire::read_create_function(inside(wire::create_function_request(*create)));
    CANOPY_CHECK(again && again->image_tag == create->image_tag && again->config == create->config);
  }
  if (const auto call = wire::read_instance_call(message)) {
    const auto again = wire::read_instance_call(inside(wire::instance_call_request(*call)));
    CANOPY_CHECK(again && again->data == call->data && again->request_id == call->request_id);
  }
  if (const auto event = wire::read_event(message)) {
    const auto again = wire::read_event(inside(wire::event_message(*event)));
    CANOPY_CHECK(again && again->kind == event->kind && again->instance_id == event->instance_id);
  }
  static_cast<void>(wire::read_create_function_reply(message));
  static_cast<void>(wire::read_schedule_call_reply(message));
  static_cast<void>(wire::read_instance_call_reply(message));
  static_cast<void>(wire::read_started_reply(message));
  static_cast<void>(wire::read_metrics_reply(message));
  static_cast<void>(wire::read_health_reply(message));
  static_cast<void>(wire::read_health_request(message));
  static_cast<void>(wire::read_state_reply(message));
  static_cast<void>(wire::read_node_id(message));
  static_cast<void>(wire::read_id(message));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  if (const auto messages = wire::read_grpc_messages(body, bytes_max)) {
    std::string again;
    for (const std::string_view message : *messages) {
      CANOPY_CHECK(message.size() <= bytes_max);
      wire::append_grpc_message(message, again);
      read_each(message);
    }
    CANOPY_CHECK(again == body);
    CANOPY_CHECK(wire::read_grpc_message(body, bytes_max).has_value() == (messages->size() == 1));
  } else {
    CANOPY_CHECK(!messages.error().message.empty());
    CANOPY_CHECK(!wire::read_grpc_message(body, bytes_max));
  }
  read_each(body);
  if (const auto timeout = wire::parse_grpc_timeout(body)) {
    CANOPY_CHECK(*timeout >= Duration::zero());
    CANOPY_CHECK(wire::parse_grpc_timeout(wire::grpc_timeout(*timeout)).has_value());
  }
  CANOPY_CHECK(wire::unescape_grpc_message(wire::escape_grpc_message(body)) == body);
  CANOPY_CHECK(wire::unescape_grpc_message(body).size() <= body.size());
  static_cast<void>(wire::parse_grpc_status(body));
  static_cast<void>(wire::is_grpc_type(body));
  return 0;
}
