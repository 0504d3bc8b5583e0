#pragma once
// One connection to a Redis server: commands go out many at a time, and their replies come back in order.
//
// The socket is ours, so that each wait has an end; hiredis takes the replies apart. A connection that failed
// once, or that was late once, is of no use any more: what the other side has done of it is not known.
//
// Threads: one at a time. All block, no longer than the patience that they are given.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "store/redis_address.h"

struct redisReader;

namespace canopy::store {

// What a command was answered.
struct RedisReply {
  enum class Kind : std::uint8_t { nothing, number, text, list, error };
  Kind kind = Kind::nothing;
  std::int64_t number = 0;
  std::string text;  // Of an error: what it says.
  std::vector<RedisReply> list;

  bool is_error() const { return kind == Kind::error; }
  // Element `i`, or nothing where there is none.
  const RedisReply& at(std::size_t i) const;
  // A number that was sent as one, or as text; 0 for all else.
  std::int64_t as_number() const;
  std::uint64_t as_unsigned() const;
};

using RedisCommand = std::vector<std::string>;

class RedisConnection {
 public:
  // Connects, says who it is, and chooses the database.
  //   unavailable   nobody answers in time, or no Redis does; the server says no
  //   deadline      the host's name was not looked up in time
  static Result<std::unique_ptr<RedisConnection>> open(const RedisAddress& address, Duration patience);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Sends them all and waits for a reply to each; an error reply is one of them.
  //   unavailable  it broke, or was late: whether any of it happened is not known
  Result<std::vector<RedisReply>> run(const std::vector<RedisCommand>& commands, Duration patience);
  // One command, whose error reply is an error.
  Result<RedisReply> run(RedisCommand command, Duration patience);

  // For messages that nobody asked for. Nothing where none comes in time, or `wake` can be read from.
  Result<RedisReply> receive(int wake, Duration patience);

 private:
  RedisConnection(RedisAddress address, Descriptor socket);

  Result<void> shake_hands(Time until);
  Result<void> send(std::string_view bytes, Time until);
  Result<void> send_raw(std::string_view bytes, Time until);
  Result<void> wait(short events, int wake, Time until, bool& woken);
  Result<bool> next(RedisReply& reply);
  Result<void> fill();
  Result<void> take(std::string_view plain);
  tl::unexpected<Error> broken(const std::string& why);

  const RedisAddress address_;
  Descriptor socket_;
  std::unique_ptr<net::TlsSession> tls_;  // Null: none is spoken.
  bool understood_ = false;               // It has said something that makes sense.
  std::string first_words_;               // Until then, what it has said.
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
};

// An error reply as an error, `unavailable`: with what to do, where that is known.
Error redis_error(std::string_view said);

}  // namespace canopy::store
