// controller.Controller: what a leaf of HyperFaaS asks of a worker.

#include <utility>

#include "api/alarm.h"
#include "base/log.h"
#include "hyperfaas/answer.h"
#include "hyperfaas/call_times.h"
#include "hyperfaas/machine_load.h"
#include "hyperfaas/server.h"
#include "hyperfaas/stream.h"

namespace canopy::hyperfaas {
namespace {

constexpr Duration measured_time = std::chrono::milliseconds(10);
constexpr std::size_t node_bytes_max = 1024;

Instances::Moment moment(const api::Here& here) {
  const Clock& clock = here.core.clock();
  return {.now = clock.now(), .wall = clock.wall_now()};
}

Duration idle_of(const Function& function) { return idle_time(registration_of(function)->config); }

// As HyperFaaS names its containers: by the image, and the first digits of the instance.
std::string name_of(const Function& function, const std::string& instance) {
  std::string tag = registration_of(function)->image_tag;
  for (char& c : tag) {
    if (c == ':' || c == '/' || c == '@') c = '-';
  }
  return tag + "-" + instance.substr(0, 8);
}

Error no_instance(std::string_view instance) {
  return {Code::not_found, "there is no instance '" + log_safe(instance, 80) + "' here"};
}

}  // namespace

net::Task<net::HttpResponse> HyperfaasServer::start_instance(const api::Here& here,
                                                             net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto id = wire::read_id(*message);
  if (!id) co_return refusal(id.error());
  const auto function = co_await find(here, *id);
  if (!function) {
    const auto snapshot = here.platform.catalog.snapshot();
    const auto known = find_registered(*snapshot, subject(here), *id);
    if (known != nullptr) instances_.fail_start(known->name, moment(here));
    co_return refusal(function.error());
  }
  const auto started = instances_.start((*function)->name, idle_of(**function), moment(here));
  if (!started) co_return refusal(started.error());
  const wire::StartedInstance reply{
      .id = *started, .address = here.platform.options.listen, .name = name_of(**function, *started)};
  co_return answer(wire::started_reply(reply));
}

net::Task<net::HttpResponse> HyperfaasServer::call_instance(const api::Here& here,
                                                            net::HttpExchange& exchange) {
  const WallTime got = here.core.clock().wall_now();
  const net::HttpRequest& request = exchange.request();
  const auto message = wire::read_grpc_message(request.body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto call = wire::read_instance_call(*message);
  if (!call) co_return refusal(call.error());
  const auto timeout = read_timeout(request);
  if (!timeout) co_return refusal(timeout.error());
  const auto function = co_await find(here, call->function_id);
  if (!function) co_return refusal(function.error());
  const FunctionName name = (*function)->name;
  const auto instance = instances_.begin_call(name, idle_of(**function), moment(here));
  if (!instance) co_return refusal(instance.error());
  const api::ForeignEnd end = co_await run(here, exchange, **function, call->data, *timeout);
  const bool crashed = end.reply.error && end.reply.error->code == Code::died;
  instances_.end_call(name, *instance, crashed, moment(here));
  Trailers trailers = worker_trailers(times_of(end, got));
  if (const auto failed = failure_of(end.reply)) co_return refusal(*failed, std::move(trailers));
  const wire::InstanceReply reply{
      .request_id = call->request_id, .instance_id = *instance, .data = end.reply.output, .error = {}};
  co_return answer(wire::instance_call_reply(reply), std::move(trailers));
}

net::Task<net::HttpResponse> HyperfaasServer::stop_instance(const api::Here& here,
                                                            net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto id = wire::read_id(*message);
  if (!id) co_return refusal(id.error());
  const auto function = instances_.find(*id);
  if (!function || !policy::reaches(subject(here), function->space)) co_return refusal(no_instance(*id));
  if (!instances_.stop(*id, moment(here))) co_return refusal(no_instance(*id));
  co_return answer(wire::id_message(*id));
}

net::Task<net::HttpResponse> HyperfaasServer::follow_status(const api::Here& here,
                                                            net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto node = wire::read_node_id(*message);
  if (!node) co_return refusal(node.error());
  if (node->size() > node_bytes_max) {
    co_return refusal(wire::GrpcStatus::invalid_argument,
                      "the node's id is longer than " + std::to_string(node_bytes_max) + " bytes");
  }
  // Of several users each has nodes of its own; and nobody comes back who does not say who it is.
  std::string own = std::to_string(here.who->user) + "/" + *node;
  if (node->empty()) own.clear();
  const auto listener = instances_.listen(here.core, here.who->user, own, here.core.clock().now());
  if (listener == nullptr) {
    co_return refusal(wire::GrpcStatus::resource_exhausted,
                      "as many follow the status of instances as may, " +
                          std::to_string(Instances::listeners_max) + "; try again when one has left");
  }
  std::uint64_t heard = listener->next();
  MessageStream stream(here, exchange, listener->event());
  bool goes_on = co_await stream.start();
  bool is_lost = false;
  while (goes_on && stream.goes_on()) {
    const auto happened = listener->take();
    is_lost = !happened;
    if (is_lost) break;
    std::string text;
    for (const Instances::Happening& one : *happened) {
      if (policy::reaches(subject(here), one.function.space)) text += wire::event_message(one.event);
    }
    co_await stream.send(std::move(text));
    goes_on = !stream.is_gone();
    if (goes_on) heard = listener->next();
    if (goes_on) co_await stream.wait();
  }
  if (!is_lost) instances_.leave(own, heard, here.core.clock().now());
  net::HttpResponse end = stream.end();
  if (is_lost) {
    end.trailers = status_trailers(wire::GrpcStatus::data_loss,
                                   "the client was too slow, and has missed events; listen again");
  }
  co_return end;
}

net::Task<net::HttpResponse> HyperfaasServer::measure(const api::Here& here, net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  if (const auto node = wire::read_node_id(*message); !node) co_return refusal(node.error());
  const auto before = cores_now();
  net::Event passed;
  api::Alarm alarm(here.core);
  alarm.set(here.core.clock().now() + measured_time, [&passed] { passed.set(); });
  co_await passed.wait();
  const wire::MachineLoad load{.ram_percent = ram_percent_now(),
                               .cpu_percents = percents_between(before, cores_now())};
  co_return answer(wire::metrics_reply(load));
}

}  // namespace canopy::hyperfaas
