#pragma once
// What a request of gRPC asks for, as far as its head tells.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/call.h"
#include "net/http.h"
#include "wire/grpc.h"

namespace canopy::hyperfaas {

enum class Door : std::uint8_t {
  none,                     // There is no such method.
  schedule_call,            // leaf.Leaf, lb.LB
  create_function,          // leaf.Leaf
  create_function_as_text,  // lb.LB, whose clients all speak the newer dialect.
  state,
  start_instance,  // controller.Controller
  call_instance,
  stop_instance,
  status,
  metrics,
  health_check,  // grpc.health.v1.Health
  health_watch,
};

struct Asked {
  Door door = Door::none;
  std::string_view function;  // By :authority, where that is a function's id.
};

// Whether that request is for us at all.
bool is_ours(const net::HttpRequest& head);

Asked read_request(const net::HttpRequest& head);

// Its grpc-timeout; nothing where it has none.
//   invalid_argument
wire::GrpcResult<std::optional<Duration>> read_timeout(const net::HttpRequest& head);

// Why there is no such method, in a sentence.
std::string no_method(const net::HttpRequest& head);

// What of its headers is for a function: metadata, and not what gRPC or the connection say, nor a key of
// ours.
std::vector<HeaderView> metadata_of(const net::HttpRequest& head);

}  // namespace canopy::hyperfaas
