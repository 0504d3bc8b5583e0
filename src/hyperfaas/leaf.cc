// leaf.Leaf and lb.LB: functions are created and called; routers are told who has instances.

#include <utility>

#include "hyperfaas/answer.h"
#include "hyperfaas/call_times.h"
#include "hyperfaas/server.h"
#include "hyperfaas/stream.h"

namespace canopy::hyperfaas {

net::Task<net::HttpResponse> HyperfaasServer::schedule_call(const api::Here& here,
                                                            net::HttpExchange& exchange) {
  const WallTime got = here.core.clock().wall_now();
  const net::HttpRequest& request = exchange.request();
  const auto message = wire::read_grpc_message(request.body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  const auto call = wire::read_schedule_call(*message);
  if (!call) co_return refusal(call.error());
  if (call->function_id.empty()) {
    co_return refusal(wire::GrpcStatus::invalid_argument,
                      "the request names no function; set functionID to what CreateFunction has answered");
  }
  const auto timeout = read_timeout(request);
  if (!timeout) co_return refusal(timeout.error());
  const auto function = co_await find(here, call->function_id);
  if (!function) co_return refusal(function.error());
  const api::ForeignEnd end = co_await run(here, exchange, **function, call->data, *timeout);
  Trailers trailers = leaf_trailers(times_of(end, got));
  if (const auto failed = failure_of(end.reply)) co_return refusal(*failed, std::move(trailers));
  co_return answer(wire::schedule_call_reply(end.reply.output), std::move(trailers));
}

net::Task<net::HttpResponse> HyperfaasServer::create_function(const api::Here& here,
                                                              net::HttpExchange& exchange,
                                                              wire::IdForm form) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  auto asked = wire::read_create_function(*message);
  if (!asked) co_return refusal(asked.error());
  Registration registration{.image_tag = std::move(asked->image_tag), .config = asked->config};
  const auto reaches = images_for(here, open_);
  const auto id =
      co_await create(here, subject(here), reaches, to_text(random_uuid()), std::move(registration));
  if (!id) co_return refusal(id.error());
  co_return answer(wire::create_function_reply(*id, form));
}

net::Task<net::HttpResponse> HyperfaasServer::follow_state(const api::Here& here,
                                                           net::HttpExchange& exchange) {
  const auto message = wire::read_grpc_message(exchange.request().body, message_bytes_max_);
  if (!message) co_return refusal(message.error());
  auto [present, listener] = presence_.listen(here.core, here.who->user);
  if (listener == nullptr) {
    co_return refusal(wire::GrpcStatus::resource_exhausted,
                      "as many clients follow the state of functions as may, " +
                          std::to_string(Presence::listeners_max) + "; try again when one has left");
  }
  MessageStream stream(here, exchange, listener->event());
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  std::string text;
  for (const FunctionName& name : present) {
    if (policy::reaches(subject(here), name.space)) text += wire::state_reply(name.name, true);
  }
  while (stream.goes_on()) {
    co_await stream.send(std::exchange(text, ""));
    co_await stream.wait();
    const auto changes = listener->take();
    if (!changes) {
      net::HttpResponse lost;
      lost.trailers =
          status_trailers(wire::GrpcStatus::data_loss,
                          "the client was too slow and has missed changes; listen again to begin anew");
      co_return lost;
    }
    for (const Presence::Change& change : *changes) {
      if (!policy::reaches(subject(here), change.function.space)) continue;
      text += wire::state_reply(change.function.name, change.has_instances);
    }
  }
  co_return stream.end();
}

}  // namespace canopy::hyperfaas
