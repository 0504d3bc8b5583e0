// What the other servers tell: that calls wait, that callbacks wait, that calls have ended. What is missed
// while the connection is away is made up for by looking, once it is there again.

#include <utility>

#include <poll.h>

#include "base/log.h"
#include "store/call_log_redis.h"
#include "store/call_log_redis_words.h"

namespace canopy::store {
namespace {

constexpr Duration ping_period = std::chrono::seconds(5);  // So that a connection that died is noticed.
constexpr int rest_ms = 500;                               // Before connecting is tried again.

State state_of(std::string_view kind) {
  return kind == "c" ? State::completed : kind == "f" ? State::failed : State::canceled;
}

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

Result<void> RedisCallLog::subscribe() {
  CANOPY_TRY_VOID(news_link_.connect());
  auto subscribed = news_link_.connection().run({"SUBSCRIBE", channel_}, news_link_.answering());
  if (subscribed) return {};
  news_link_.close();
  return tl::unexpected(std::move(subscribed).error());
}

void RedisCallLog::run_news() {
  const auto stopped = [this](int wait_ms) {
    pollfd waiting{.fd = stop_news_.get(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, wait_ms) > 0;
  };
  const Duration patience = news_link_.answering();
  for (bool is_first = true; !stopped(0); is_first = false) {
    // The first time open() has done it.
    if (!is_first) {
      if (!subscribe()) {
        if (stopped(rest_ms)) return;
        continue;
      }
      if (CallLogListener* const listener = listener_; listener != nullptr) {
        listener->on_ready();
        listener->on_callback();
      }
    }
    for (;;) {
      auto message = news_link_.connection().receive(stop_news_.get(), ping_period);
      if (stopped(0)) return;
      // The answer may be behind a message; then it is what comes next, and says nothing.
      if (message && message->kind == RedisReply::Kind::nothing) {
        message = news_link_.connection().run({"PING"}, patience);
      }
      if (!message) break;
      if (message->at(0).text == "message") hear(message->at(2).text);
    }
    news_link_.close();
  }
}

// "r<from>": calls wait; "c<from>": a callback; "e<from>" and a line for each end.
void RedisCallLog::hear(const std::string& message) {
  const std::string_view text = message;
  const std::string_view head = text.substr(0, text.find('\n'));
  CallLogListener* const listener = listener_;
  if (head.empty() || listener == nullptr || head.substr(1) == from_) return;
  if (head.front() == 'r') listener->on_ready();
  if (head.front() == 'c') listener->on_callback();
  if (head.front() == 'e' && head.size() < text.size()) hear_ends(text.substr(head.size() + 1));
}

// Each: number, token, how, function.
void RedisCallLog::hear_ends(std::string_view lines) {
  CallLogListener* const listener = listener_;
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const RedisReply number{.kind = RedisReply::Kind::text, .text = std::string(take_word(line)), .list = {}};
    const RedisReply token{.kind = RedisReply::Kind::text, .text = std::string(take_word(line)), .list = {}};
    const State state = state_of(take_word(line));
    const auto function = parse_function_name(line);
    if (!function) continue;
    const CallId id = id_of(number.as_unsigned(), token.as_unsigned());
    saw_number(number.as_unsigned());
    if (state == State::canceled) {
      const std::lock_guard lock(mutex_);
      const auto held = held_.find(number.as_unsigned());
      if (held != held_.end() && held->second.head->call.id == id) held->second.lost = true;
    }
    const auto make = [this, id, &function, state] {
      if (auto found = find(id)) return *std::move(found);
      DurableRecord unread;
      unread.record.id = id;
      unread.record.function = *function;
      unread.record.state = state;
      return unread;
    };
    listener->on_ended(id, *function, state, make);
  }
}

}  // namespace canopy::store
