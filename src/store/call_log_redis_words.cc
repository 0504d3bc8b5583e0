#include "store/call_log_redis_words.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "store/redis_link.h"

namespace canopy::store {
namespace {

// What Redis says is only as good as who may write to it. Between two times from here to the epoch lies no
// more than a Duration holds.
constexpr WallTime last_time{std::chrono::hours(24 * 365 * 200L)};

}  // namespace

Error too_large_for_redis(std::string_view what) {
  return {Code::too_large, "the " + std::string(what) + " has more than " + size_text(value_bytes_max) +
                               ", which is what a durable call in Redis may have"};
}

Error not_kept(const Error& error) {
  return {Code::unavailable, "the call cannot be kept in Redis now: " + error.message, Stage::queue};
}

std::string micros(WallTime time) {
  if (time == WallTime::max()) return "+inf";
  return std::to_string(std::chrono::ceil<std::chrono::microseconds>(time.time_since_epoch()).count());
}

WallTime read_micros(std::string_view text) {
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  constexpr std::int64_t most = last_time.time_since_epoch() / std::chrono::microseconds(1);
  if (read.ec != std::errc() || count > most) return WallTime::max();
  return WallTime(std::chrono::microseconds(std::max<std::int64_t>(count, 0)));
}

WallTime read_nanos(std::int64_t count) {
  return std::clamp(WallTime(Duration(count)), WallTime(), last_time);
}

void append_callback_words(const EndedRow& ended, std::vector<std::string>& words) {
  const DurableCall& call = ended.head.call;
  if (call.callback_url.empty()) {
    words.insert(words.end(), 3, std::string());
    return;
  }
  const WallTime due = ended.ending.outcome.ended;
  const CallbackState waiting{.kind = CallbackState::Kind::waiting, .due = due, .error = {}};
  words.push_back(encode_callback(ended.head.token, waiting, due));
  words.push_back(call.owner.empty() ? "/" + call.function.space : call.owner);
  words.push_back(micros(due));
}

RedisCommand row_command(std::uint64_t number, std::string_view body_field) {
  RedisCommand command{
      "HMGET", redis_prefix + ("c:" + std::to_string(number)), "t", "s", "a", "v", "h", "p", "e", "b"};
  if (!body_field.empty()) command.emplace_back(body_field);
  return command;
}

}  // namespace canopy::store
