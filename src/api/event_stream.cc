#include "api/event_stream.h"

#include <utility>

namespace canopy::api {

void append_event(std::string_view name, std::string_view json, std::string& out) {
  out += "event: ";
  out += name;
  out += "\ndata: ";
  out += json;
  out += "\n\n";
}

std::unique_ptr<Feed::Follower> make_follower(const Here& here, Feed::Wanted wanted) {
  const std::uint64_t owner = here.who->is_admin() ? 0 : here.who->user;
  return here.platform.feed.follow(here.core, std::move(wanted), owner);
}

net::HttpResponse too_many_followers() {
  return error_response({Code::unavailable, "as many clients follow events or wait for calls as may: " +
                                                std::to_string(Feed::followers_max) + ", of one user " +
                                                std::to_string(Feed::followers_of_one_max) +
                                                " and no more than are left; try again when one has left"});
}

EventStream::EventStream(const Here& here, net::HttpExchange& exchange,
                         std::unique_ptr<Feed::Follower> follower)
    : here_(here), exchange_(exchange), follower_(std::move(follower)), alarm_(here.core) {}

EventStream::~EventStream() { exchange_.on_client_gone(nullptr); }

net::Task<bool> EventStream::start() {
  net::HttpResponse head;
  head.content_type = "text/event-stream";
  head.headers.push_back({"Cache-Control", "no-store"});
  head.headers.push_back({"X-Accel-Buffering", "no"});  // Proxies shall not hold events back.
  allow_origin(here_.platform.options, head);
  const bool started = co_await exchange_.start_stream(std::move(head));
  co_return started && !is_head(exchange_.request());
}

net::Task<bool> EventStream::send(std::string text) {
  if (text.empty()) co_return true;
  const bool sent = co_await exchange_.write(text);
  co_return sent;
}

net::Task<void> EventStream::follow(Show show) {
  exchange_.on_client_gone([this] {
    gone_ = true;
    follower_->event().set();
  });
  bool goes_on = true;
  while (goes_on && !gone_) {
    if (!here_.doorman.is_still(*here_.who)) co_return;  // The key was revoked, or has expired.
    std::string text;
    if (const std::uint64_t lost = follower_->take_lost_count(); lost > 0) {
      append_event("lost", "{\"count\":" + std::to_string(lost) + "}", text);
    }
    for (const auto& happening : follower_->take()) {
      if (goes_on) goes_on = show(*happening, text);
    }
    if (here_.platform.draining) goes_on = false;
    if (text.empty() && goes_on) {
      co_await wait();
      continue;
    }
    const bool sent = co_await send(std::move(text));
    if (!sent) co_return;
  }
}

// Comes back when there is something to take, or after a sign of life was sent.
net::Task<void> EventStream::wait() {
  bool quiet = false;
  alarm_.set(here_.platform.clock.now() + sign_of_life_period, [this, &quiet] {
    quiet = true;
    follower_->event().set();
  });
  co_await follower_->event().wait();
  alarm_.stop();
  if (!quiet || gone_) co_return;
  const bool sent = co_await exchange_.write(": still here\n\n");
  if (!sent) gone_ = true;
}

}  // namespace canopy::api
