#pragma once
// Where the store is that several servers share, taken apart: --store.
//
// Threads: any.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace canopy {

// A Redis.
struct StoreAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string user;      // "": the default one.
  std::string password;  // "": none is needed.
  std::uint32_t database = 0;
  bool tls = false;
};

// "redis://[[user]:password@]host[:port][/database]", rediss:// for one in TLS; %XX in user and password is a
// byte.
//   invalid  the message does not say the password
Result<StoreAddress> parse_store(std::string_view text);

// The same with *** for a password, also where it is no address.
std::string without_password(std::string_view text);

}  // namespace canopy
