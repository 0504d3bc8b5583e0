#include "container/request.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "net/header_text.h"
#include "wire/headers.h"

namespace canopy::container {
namespace {

// We say these ourselves; what a client says in their place is not passed on.
constexpr std::array<std::string_view, 8> own_headers = {"Host",    "Content-Length", "Connection",
                                                         "Expect",  "X-Call-Id",      "Transfer-Encoding",
                                                         "Upgrade", "Keep-Alive"};
constexpr std::array<std::string_view, 7> connection_headers = {
    "Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Trailer", "Content-Length", "X-Call-Id"};

template <class Names>
bool contains(const Names& names, std::string_view name) {
  return std::ranges::any_of(names, [name](std::string_view one) { return wire::same_word(one, name); });
}

bool is_target(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

bool is_value(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool has_body_always(std::string_view method) {
  return method != "GET" && method != "HEAD" && method != "DELETE";
}

}  // namespace

bool is_connection_header(std::string_view name) { return contains(connection_headers, name); }

Result<std::string> request_head(const Call& call) {
  if (!net::is_token(call.method) || !is_target(call.path) || !is_target(call.query)) {
    return fail(Code::invalid, "the call cannot be passed on as HTTP: '" + log_safe(call.method, 40) + " " +
                                   log_safe(call.path, 200) + "'");
  }
  std::string head;
  head.append(call.method).append(" ").append(call.path.empty() ? "/" : call.path);
  if (!call.query.empty()) head.append("?").append(call.query);
  head.append(" HTTP/1.1\r\nHost: function\r\nX-Call-Id: ").append(to_text(call.id)).append("\r\n");
  if (!call.input.empty() || has_body_always(call.method)) {
    head.append("Content-Length: ").append(std::to_string(call.input.size())).append("\r\n");
  }
  for (const auto& [name, value] : call.headers) {
    if (!net::is_token(name) || !is_value(value) || contains(own_headers, name)) continue;
    head.append(name).append(": ").append(value).append("\r\n");
  }
  head.append("\r\n");
  return head;
}

}  // namespace canopy::container
