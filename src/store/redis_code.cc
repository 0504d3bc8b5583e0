#include "store/redis_code.h"

#include <utility>

#include "base/log.h"
#include "base/sha256.h"

namespace canopy::store {
namespace {

// Code may be large.
constexpr RedisLink::Patience patience{.answering = std::chrono::seconds(30)};
constexpr std::size_t links_max = 16;
constexpr std::size_t idle_max = 2;
constexpr const char* by_age = "codes";

std::string key_of(std::string_view digest) {
  return std::string(redis_prefix) + "code:" + std::string(digest);
}

std::string micros(WallTime time) {
  return std::to_string(std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch()).count());
}

}  // namespace

RedisCode::RedisCode(const RedisAddress& address, const Clock& clock) : address_(address), clock_(clock) {}

Result<void> RedisCode::with_link(const std::function<Result<void>(RedisLink& link)>& work) {
  Link link;
  {
    std::unique_lock lock(mutex_);
    const auto may_have = [this] { return !idle_.empty() || link_count_ < links_max; };
    if (!freed_.wait_for(lock, patience.answering, may_have)) {
      return fail(Code::unavailable, "too much code is on its way from and to Redis; try again soon");
    }
    if (idle_.empty()) {
      ++link_count_;
    } else {
      link = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!link) link = std::make_unique<RedisLink>(address_, RedisLink::Greet(), patience);
  auto done = work(*link);
  const std::lock_guard lock(mutex_);
  if (idle_.size() < idle_max) {
    idle_.push_back(std::move(link));
  } else {
    --link_count_;
  }
  freed_.notify_one();
  return done;
}

Result<void> RedisCode::put(const std::string& digest, std::string_view code) {
  return with_link([&](RedisLink& link) -> Result<void> {
    const std::string set = std::string(redis_prefix) + by_age;
    // Young first, so that no sweep() comes between.
    CANOPY_TRY_VOID(link.run({"ZADD", set, micros(clock_.wall_now()), digest}));
    // Also where it is there: what lies there may be damaged, and this is how it is repaired.
    CANOPY_TRY_VOID(link.run({"SET", key_of(digest), std::string(code)}));
    return {};
  });
}

Result<std::string> RedisCode::get(std::string_view digest) {
  RedisReply reply;
  CANOPY_TRY_VOID(with_link([&](RedisLink& link) -> Result<void> {
    CANOPY_TRY(reply, link.run({"GET", key_of(digest)}));
    return {};
  }));
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
  std::uint64_t freed = 0;
  CANOPY_TRY_VOID(with_link([&](RedisLink& link) -> Result<void> {
    const std::string before = micros(clock_.wall_now() - age);
    CANOPY_TRY(const RedisReply old,
               link.run({"ZRANGEBYSCORE", std::string(redis_prefix) + by_age, "-inf", before}));
    for (const RedisReply& digest : old.list) {
      if (named.contains(digest.text)) continue;
      CANOPY_TRY(const RedisReply bytes,
                 link.run(script_command(Script::code_drop, "", {digest.text, before})));
      freed += bytes.as_unsigned();
    }
    return {};
  }));
  return freed;
}

}  // namespace canopy::store
