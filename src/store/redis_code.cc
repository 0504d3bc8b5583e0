#include "store/redis_code.h"

#include <utility>

#include "base/log.h"
#include "base/sha256.h"

namespace canopy::store {
namespace {

// Code may be large.
constexpr RedisLink::Patience patience{.answering = std::chrono::seconds(30)};
constexpr const char* by_age = "codes";

std::string key_of(std::string_view digest) {
  return std::string(redis_prefix) + "code:" + std::string(digest);
}

std::string micros(WallTime time) {
  return std::to_string(std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count());
}

}  // namespace

RedisCode::RedisCode(const RedisAddress& address, const Clock& clock)
    : clock_(clock), link_(address, {}, patience) {}

Result<void> RedisCode::put(const std::string& digest, std::string_view code) {
  const std::lock_guard lock(mutex_);
  const std::string set = std::string(redis_prefix) + by_age;
  // Young first, so that no sweep() comes between.
  CANOPY_TRY_VOID(link_.run({"ZADD", set, micros(clock_.wall_now()), digest}));
  // Also where it is there: what lies there may be damaged, and this is how it is repaired.
  CANOPY_TRY_VOID(link_.run({"SET", key_of(digest), std::string(code)}));
  return {};
}

Result<std::string> RedisCode::get(std::string_view digest) {
  const std::lock_guard lock(mutex_);
  CANOPY_TRY(RedisReply reply, link_.run({"GET", key_of(digest)}));
  if (reply.kind == RedisReply::Kind::nothing) {
    return fail(Code::not_found, "there is no code " + log_safe(digest, 80));
  }
  if (sha256_hex(reply.text) != digest) {
    return fail(Code::internal, "the code " + log_safe(digest, 80) +
                                    " is damaged in Redis: it is not what was stored; deploy it again");
  }
  return std::move(reply.text);
}

Result<std::uint64_t> RedisCode::sweep(Duration age, const std::unordered_set<std::string>& named) {
  const std::lock_guard lock(mutex_);
  const std::string before = micros(clock_.wall_now() - age);
  CANOPY_TRY(const RedisReply old,
             link_.run({"ZRANGEBYSCORE", std::string(redis_prefix) + by_age, "-inf", before}));
  std::uint64_t freed = 0;
  for (const RedisReply& digest : old.list) {
    if (named.contains(digest.text)) continue;
    CANOPY_TRY(const RedisReply bytes,
               link_.run(script_command(Script::code_drop, "", {digest.text, before})));
    freed += bytes.as_unsigned();
  }
  return freed;
}

}  // namespace canopy::store
