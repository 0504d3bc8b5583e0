#include "api/events.h"

#include <utility>

#include "api/event_stream.h"
#include "api/parameters.h"

namespace canopy::api {

net::Task<net::HttpResponse> follow_events(const Here& here, net::HttpExchange& exchange) {
  const auto parameters = Parameters::read(exchange.request().query, {"function"});
  if (!parameters) co_return error_response(parameters.error());
  const auto function = parameters->function("function");
  if (!function) co_return error_response(function.error());
  const auto wanted = [name = *function, who = here.who](const Happening& happening) {
    return happening.kind != Happening::Kind::log_piece && (!name || happening.function == *name) &&
           who->reaches(happening.function.space);
  };
  auto follower = make_follower(here, wanted);
  if (!follower) co_return too_many_followers();
  EventStream stream(here, exchange, std::move(follower));
  const bool started = co_await stream.start();
  if (!started) co_return net::HttpResponse();
  const EventStream::Show show = [](const Happening& happening, std::string& out) {
    append_event(name(happening.kind), happening.text, out);
    return true;
  };
  co_await stream.follow(show);
  co_return net::HttpResponse();
}

}  // namespace canopy::api
