#pragma once
// The address of a server, as people write it: "http://127.0.0.1:8080", "https://[::1]/base".

#include <string>

#include "base/error.h"

namespace canopy::net {

struct Url {
  bool is_https = false;
  std::string host;  // Without brackets.
  std::string port;
  std::string authority;  // For Host.
  std::string path;       // What goes before the target; no '/' at its end.
  std::string text;       // Scheme and authority, for messages.
};

//   invalid  not http or https, no host, a port that is none, or a name and password in it
Result<Url> parse_url(const std::string& text);

}  // namespace canopy::net
