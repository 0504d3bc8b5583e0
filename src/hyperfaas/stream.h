#pragma once
// Messages to one client for as long as it stays, its key is good, and the server does not stop.
//
// Threads: its core's.

#include <string>

#include "api/alarm.h"
#include "api/here.h"
#include "net/event.h"
#include "net/http.h"
#include "net/task.h"

namespace canopy::hyperfaas {

class MessageStream {
 public:
  // `event` is what is waited for; it is set as well when the client goes away.
  MessageStream(const api::Here& here, net::HttpExchange& exchange, net::Event& event);
  ~MessageStream();
  MessageStream(const MessageStream&) = delete;
  MessageStream& operator=(const MessageStream&) = delete;

  // Sends the head; false where the client is gone.
  net::Task<bool> start();
  // `messages` as wire/hyperfaas.h writes them; nothing of it where the client is gone.
  net::Task<void> send(std::string messages);
  bool goes_on() const;
  bool is_gone() const { return is_gone_; }
  // Until the event is set, or it is time to ask goes_on() again.
  net::Task<void> wait();
  // What ends it, and why, as far as this knows.
  net::HttpResponse end() const;

 private:
  const api::Here& here_;
  net::HttpExchange& exchange_;
  net::Event& event_;
  api::Alarm alarm_;
  bool is_gone_ = false;
};

}  // namespace canopy::hyperfaas
