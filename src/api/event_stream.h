#pragma once
// Server-sent events to one client, for as long as it stays: what a Feed brings, and a sign of life when it
// brings nothing.
//
// Threads: its core's.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/alarm.h"
#include "api/feed.h"
#include "api/here.h"
#include "net/http.h"
#include "net/task.h"

namespace canopy::api {

inline constexpr Duration sign_of_life_period = std::chrono::seconds(15);

// Appends "event: <name>\ndata: <json>\n\n". `json` is one line, as our JSON is.
void append_event(std::string_view name, std::string_view json, std::string& out);

class EventStream {
 public:
  // What `happening` is to this client, appended to `out`; false ends the stream after it.
  using Show = std::function<bool(const Happening& happening, std::string& out)>;

  // `follower` is not null.
  EventStream(const Here& here, net::HttpExchange& exchange, std::unique_ptr<Feed::Follower> follower);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // Sends the head. False where the client is gone; and where it asked for no more than the head.
  net::Task<bool> start();
  net::Task<bool> send(std::string text);
  // Sends what comes until `show` ends it, the client is gone, or the server stops: then, and where pieces
  // were lost, the client is told.
  net::Task<void> follow(Show show);

 private:
  net::Task<void> wait();

  const Here& here_;
  net::HttpExchange& exchange_;
  const std::unique_ptr<Feed::Follower> follower_;
  Alarm alarm_;
  bool gone_ = false;
};

// For whoever asks: an administrator may have all the places. Null where there are too many.
std::unique_ptr<Feed::Follower> make_follower(const Here& here, Feed::Wanted wanted);

// 503 for one follower too many.
net::HttpResponse too_many_followers();

}  // namespace canopy::api
