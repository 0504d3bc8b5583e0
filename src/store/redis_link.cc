#include "store/redis_link.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <utility>

#include "base/log.h"

namespace canopy::store {
namespace {

constexpr Duration first_pause = std::chrono::milliseconds(50);
constexpr int version_min = 7;

// What Redis calls the scripts: their digests, which it says when they are loaded. The same for all.
struct ScriptNames {
  std::mutex mutex;
  std::array<std::string, script_count> names;  // Guarded by mutex.
};

ScriptNames& script_names() {
  static ScriptNames names;
  return names;
}

Result<void> load_scripts(RedisConnection& connection, Duration patience) {
  std::vector<RedisCommand> commands;
  for (std::size_t i = 0; i < script_count; ++i) {
    commands.push_back({"SCRIPT", "LOAD", script_text(static_cast<Script>(i))});
  }
  CANOPY_TRY(const auto replies, connection.run(commands, patience));
  ScriptNames& known = script_names();
  const std::lock_guard lock(known.mutex);
  for (std::size_t i = 0; i < script_count; ++i) {
    if (replies[i].is_error()) return tl::unexpected(redis_error(replies[i].text));
    known.names[i] = replies[i].text;
  }
  return {};
}

// The value of a line "name:value" of INFO; "" where there is none.
std::string_view info_value(std::string_view info, std::string_view name) {
  std::size_t at = 0;
  while (at < info.size()) {
    const std::size_t end = std::min(info.find('\n', at), info.size());
    std::string_view line = info.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
    at = end + 1;
  }
  return {};
}

// What a connection of which one command was answered like that cannot do either: it is made anew.
bool is_of_the_connection(std::string_view said) {
  return said.starts_with("NOSCRIPT") || said.starts_with("READONLY") || said.starts_with("LOADING") ||
         said.starts_with("NOAUTH") || said.starts_with("MASTERDOWN");
}

}  // namespace

RedisLink::RedisLink(RedisAddress address, Greet greet)
    : RedisLink(std::move(address), std::move(greet), Patience()) {}

RedisLink::RedisLink(RedisAddress address, Greet greet, Patience patience)
    : address_(std::move(address)), greet_(std::move(greet)), patience_(patience) {}

Result<void> RedisLink::open() {
  CANOPY_TRY(auto connection, RedisConnection::open(address_, patience_.connecting));
  CANOPY_TRY_VOID(load_scripts(*connection, patience_.answering));
  if (greet_) CANOPY_TRY_VOID(greet_(*connection));
  connection_ = std::move(connection);
  ++generation_;
  return {};
}

Result<std::uint64_t> RedisLink::connect() {
  if (connection_) return generation_;
  if (why_ && system_clock().now() < next_try_) return tl::unexpected(*why_);
  if (auto opened = open(); !opened) {
    pause_ = std::clamp(pause_ * 2, first_pause, patience_.pause_max);
    next_try_ = system_clock().now() + pause_;
    why_ = opened.error();
    return tl::unexpected(std::move(opened).error());
  }
  why_.reset();
  pause_ = {};
  return generation_;
}

Result<std::vector<RedisReply>> RedisLink::run(const std::vector<RedisCommand>& commands) {
  if (auto connected = connect(); !connected) return tl::unexpected(not_now(std::move(connected).error()));
  auto replies = connection_->run(commands, patience_.answering);
  if (!replies) {
    connection_.reset();
    return replies;
  }
  const auto broken = std::ranges::find_if(
      *replies, [](const RedisReply& reply) { return reply.is_error() && is_of_the_connection(reply.text); });
  if (broken != replies->end()) connection_.reset();
  return replies;
}

Result<RedisReply> RedisLink::run(RedisCommand command) {
  const std::vector<RedisCommand> one{std::move(command)};
  CANOPY_TRY(auto replies, run(one));
  if (replies.front().is_error()) return tl::unexpected(not_now(redis_error(replies.front().text)));
  return std::move(replies.front());
}

Error not_now(Error error) {
  if (error.code == Code::refused || error.code == Code::unauthorized) error.code = Code::unavailable;
  return error;
}

RedisCommand script_command(Script script, const std::string& channel, std::vector<std::string> arguments) {
  RedisCommand command{"EVALSHA", "", "2", redis_prefix, channel};
  {
    ScriptNames& known = script_names();
    const std::lock_guard lock(known.mutex);
    command[1] = known.names[static_cast<std::size_t>(script)];
  }
  command.insert(command.end(), std::make_move_iterator(arguments.begin()),
                 std::make_move_iterator(arguments.end()));
  return command;
}

Result<void> check_redis(RedisConnection& connection, const RedisAddress& address, Duration patience) {
  CANOPY_TRY(const RedisReply reply, connection.run({"INFO"}, patience));
  const std::string& info = reply.text;
  const std::string where = to_text(address);
  const std::string_view version = info_value(info, "redis_version");
  int major = 0;
  std::from_chars(version.data(), version.data() + version.size(), major);
  if (major < version_min) {
    return fail(Code::refused, where + " is Redis " + log_safe(version, 20) + "; it has to be " +
                                   std::to_string(version_min) + " or later");
  }
  if (info_value(info, "role") != "master") {
    return fail(Code::unavailable,
                where + " is a replica, which nothing can be written to; name its primary");
  }
  if (info_value(info, "loading") == "1" || info_value(info, "async_loading") == "1") {
    return fail(Code::unavailable, where + " is still reading its data");
  }
  if (info_value(info, "aof_enabled") != "1") {
    return fail(Code::refused, where +
                                   " keeps no append-only file, so it would lose what it has "
                                   "acknowledged; start it with: --appendonly yes");
  }
  if (info_value(info, "maxmemory") != "0" && info_value(info, "maxmemory_policy").starts_with("allkeys")) {
    return fail(Code::refused, where +
                                   " drops keys when its memory is full; start it with: "
                                   "--maxmemory-policy noeviction");
  }
  return {};
}

}  // namespace canopy::store
