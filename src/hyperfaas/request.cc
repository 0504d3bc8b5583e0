#include "hyperfaas/request.h"

#include <algorithm>
#include <array>
#include <string>

#include "api/auth.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/words.h"

namespace canopy::hyperfaas {
namespace {

struct Method {
  std::string_view path;
  Door door;
};
constexpr std::array<Method, 12> methods = {{{"/leaf.Leaf/ScheduleCall", Door::schedule_call},
                                             {"/leaf.Leaf/CreateFunction", Door::create_function},
                                             {"/leaf.Leaf/State", Door::state},
                                             {"/lb.LB/ScheduleCall", Door::schedule_call},
                                             {"/lb.LB/CreateFunction", Door::create_function_as_text},
                                             {"/controller.Controller/Start", Door::start_instance},
                                             {"/controller.Controller/Call", Door::call_instance},
                                             {"/controller.Controller/Stop", Door::stop_instance},
                                             {"/controller.Controller/Status", Door::status},
                                             {"/controller.Controller/Metrics", Door::metrics},
                                             {"/grpc.health.v1.Health/Check", Door::health_check},
                                             {"/grpc.health.v1.Health/Watch", Door::health_watch}}};

constexpr std::array<std::string_view, 8> not_metadata = {"host",           "te",         "content-type",
                                                          "content-length", "connection", "transfer-encoding",
                                                          "upgrade",        "keep-alive"};

bool is_metadata(std::string_view name) {
  if (name.size() >= 5 && same_word(name.substr(0, 5), "grpc-")) return false;
  return std::ranges::none_of(not_metadata, [name](std::string_view one) { return same_word(one, name); });
}

std::string_view service_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

}  // namespace

bool is_ours(const net::HttpRequest& head) { return wire::is_grpc_type(head.header("Content-Type")); }

Asked read_request(const net::HttpRequest& head) {
  Asked asked;
  std::string_view authority = head.header("Host");
  authority = authority.substr(0, authority.find(':'));
  if (is_uuid_text(authority)) {
    asked.function = authority;
    return asked;
  }
  const auto method = std::ranges::find(methods, head.path, &Method::path);
  if (method != methods.end()) asked.door = method->door;
  return asked;
}

wire::GrpcResult<std::optional<Duration>> read_timeout(const net::HttpRequest& head) {
  const std::string_view text = head.header("grpc-timeout");
  if (text.empty()) return std::nullopt;
  const auto timeout = wire::parse_grpc_timeout(text);
  if (timeout) return timeout;
  return wire::grpc_fail(wire::GrpcStatus::invalid_argument,
                         "the header grpc-timeout is '" + log_safe(text, 40) +
                             "'; it is up to eight digits and one of n, u, m, S, M and H");
}

std::string no_method(const net::HttpRequest& head) {
  const bool has_service = std::ranges::any_of(
      methods, [&head](const Method& method) { return service_of(method.path) == service_of(head.path); });
  const std::string path = log_safe(head.path, 200);
  if (has_service) return "there is no method " + path + " here, but others of that service";
  return "there is no service with the method " + path +
         " here; for one of a function, :authority has to be the function's id";
}

std::vector<HeaderView> metadata_of(const net::HttpRequest& head) {
  std::vector<HeaderView> metadata;
  for (const auto& [name, value] : head.headers) {
    if (!is_metadata(name) || (same_word(name, "authorization") && api::shows_key(value))) continue;
    metadata.push_back({name, value});
  }
  return metadata;
}

}  // namespace canopy::hyperfaas
