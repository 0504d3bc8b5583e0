#pragma once
// Where a Redis server is, and who one is there.
//
// Threads: any.

#include <cstdint>
#include <memory>
#include <string>

#include "net/tls_session.h"

namespace canopy::store {

struct RedisAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;      // "": the default one.
  std::string password;  // "": none is asked for.
  std::uint32_t database = 0;
  std::shared_ptr<const net::TlsContext> tls = nullptr;  // Null: none is spoken.
};

// "redis://host:port/0", or "rediss://…" in TLS; without the password.
std::string to_text(const RedisAddress& address);

}  // namespace canopy::store
