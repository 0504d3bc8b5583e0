#pragma once
// A way to Redis that is there again by itself: connects when it is first needed, and after it broke, with a
// pause that grows while nobody answers. Each connection has the scripts loaded.
//
// Threads: one at a time. run() blocks, no longer than connecting and answering may take.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/redis_connection.h"
#include "store/redis_scripts.h"

namespace canopy::store {

// Of the part of Canopy that the keys belong to; another database of the same server may hold another.
inline constexpr const char* redis_prefix = "canopy:";

class RedisLink {
 public:
  struct Patience {
    Duration connecting = std::chrono::seconds(2);
    Duration answering = std::chrono::seconds(5);
    Duration pause_max = std::chrono::seconds(1);  // Between two tries to connect.
  };
  // Looks at a connection before it is used; what it refuses is closed again.
  using Greet = std::function<Result<void>(RedisConnection& connection)>;

  explicit RedisLink(RedisAddress address, Greet greet = {});
  RedisLink(RedisAddress address, Greet greet, Patience patience);

  // Replies in the order of the commands, errors among them.
  //   unavailable  nobody answers, whether any of it happened is not known; or who answers is not to be used
  Result<std::vector<RedisReply>> run(const std::vector<RedisCommand>& commands);
  // One command, whose error reply is an error.
  Result<RedisReply> run(RedisCommand command);

  // Connects if it must. Counts connections: another number says that there was a break.
  //   unavailable
  //   refused, unauthorized  it can be reached, and is not to be used
  Result<std::uint64_t> connect();
  // After it succeeded, until the next run() or close().
  RedisConnection& connection() { return *connection_; }
  void close() { connection_.reset(); }

  const RedisAddress& address() const { return address_; }
  Duration answering() const { return patience_.answering; }

 private:
  Result<void> open();

  const RedisAddress address_;
  Greet greet_;
  const Patience patience_;
  std::unique_ptr<RedisConnection> connection_;
  std::uint64_t generation_ = 0;
  std::optional<Error> why_;  // Why the last try failed.
  Time next_try_{};
  Duration pause_{};
};

// What keeps a server from starting is, once it runs, no fault of whoever asks it for something.
Error not_now(Error error);

// A script with its arguments. `channel`: where the others are told.
RedisCommand script_command(Script script, const std::string& channel, std::vector<std::string> arguments);

// Refuses a server that would lose what it has acknowledged, or drop it: no append-only file, an
// eviction policy that takes keys without an end, a replica; or one that is too old.
//   refused, unavailable
Result<void> check_redis(RedisConnection& connection, const RedisAddress& address, Duration patience);

}  // namespace canopy::store
