// grpc.health.v1.Health: whether the server is up, for each of the services that it stands for.

#include <algorithm>
#include <array>

#include "base/log.h"
#include "hyperfaas/answer.h"
#include "hyperfaas/server.h"
#include "hyperfaas/stream.h"

namespace canopy::hyperfaas {
namespace {

constexpr std::array<std::string_view, 7> services = {
    "", "leaf", "worker", "leaf.Leaf", "lb.LB", "controller.Controller", "grpc.health.v1.Health"};

bool is_service(std::string_view name) { return std::ranges::find(services, name) != services.end(); }

wire::Health health_of(const api::Here& here) {
  return here.platform.draining ? wire::Health::not_serving : wire::Health::serving;
}

}  // namespace

net::Task<net::HttpResponse> HyperfaasServer::check_health(const api::Here& here,
                                                           net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto service = wire::read_health_request(*message);
  if (!service) co_return refusal(service.error());
  if (!is_service(*service)) {
    co_return refusal(wire::GrpcStatus::not_found,
                      "unknown service '" + log_safe(*service, 200) + "'; there are leaf and worker");
  }
  co_return answer(wire::health_reply(health_of(here)));
}

net::Task<net::HttpResponse> HyperfaasServer::watch_health(const api::Here& here,
                                                           net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto service = wire::read_health_request(*message);
  if (!service) co_return refusal(service.error());
  net::Event event;
  MessageStream stream(here, exchange, event);
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  const bool is_known = is_service(*service);
  const wire::Health first = is_known ? health_of(here) : wire::Health::service_unknown;
  co_await stream.send(wire::health_reply(first));
  while (stream.goes_on()) co_await stream.wait();
  if (is_known && here.platform.draining) co_await stream.send(wire::health_reply(wire::Health::not_serving));
  co_return stream.end();
}

}  // namespace canopy::hyperfaas
