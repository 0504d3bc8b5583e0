#pragma once
// Where a Redis server is, and who one is there.
//
// Threads: any.

#include <cstdint>
#include <string>

namespace canopy::store {

struct RedisAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;      // "": the default one.
  std::string password;  // "": none is asked for.
  std::uint32_t database = 0;
};

// "redis://host:port/0", without the password.
std::string to_text(const RedisAddress& address);

}  // namespace canopy::store
