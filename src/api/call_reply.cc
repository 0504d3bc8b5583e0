#include "api/call_reply.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "wire/headers.h"
#include "wire/json.h"
#include "wire/utf8.h"

namespace canopy::api {
namespace {

constexpr std::size_t text_bytes_max = 16 * KiB;  // Longer output is not looked at.

void append_number(std::uint64_t number, std::string& out) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

// Headers that only Canopy may set on a reply.
bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 5> ours = {"X-Call-Id", "X-Duration-Seconds", "X-Queue-Seconds",
                                                    "X-Cold-Start", "X-Memory-Bytes"};
  if (name.size() < 9 || (name[0] != 'X' && name[0] != 'x')) return false;
  return std::ranges::any_of(ours, [name](std::string_view own) { return wire::same_word(name, own); });
}

std::string seconds_text(Duration duration) {
  std::string text;
  append_seconds(duration, text);
  return text;
}

}  // namespace

void add_usage_headers(const Usage& usage, CallId id, net::HttpResponse& response) {
  auto& headers = response.headers;
  headers.push_back({"X-Call-Id", to_text(id)});
  headers.push_back({"X-Duration-Seconds", seconds_text(usage.run_time)});
  headers.push_back({"X-Queue-Seconds", seconds_text(usage.queue_time)});
  headers.push_back({"X-Cold-Start", usage.cold ? "true" : "false"});
  std::string memory;
  append_number(usage.memory_bytes, memory);
  headers.push_back({"X-Memory-Bytes", std::move(memory)});
}

void append_seconds(Duration duration, std::string& out) {
  const auto count = static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
  append_number(count / 1'000'000'000, out);
  std::uint64_t rest = count % 1'000'000'000;
  std::size_t digits = 9;
  if (count >= 1'000'000) {
    rest /= 1000;
    digits = 6;
  }
  std::array<char, 10> text{};
  text[0] = '.';
  for (std::size_t i = digits; i > 0; --i) {
    text[i] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  }
  out.append(text.data(), digits + 1);
}

bool looks_like_text(std::string_view output) {
  bool ascii = true;
  for (const char c : output) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) {
      ascii = false;
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r' && byte != 0x1b) ||
               byte == 0x7f) {
      return false;
    }
  }
  return ascii || wire::find_invalid_utf8(output) == std::string_view::npos;
}

std::optional<Error> check_reply(const Reply& reply) {
  if (reply.status < 200 || reply.status > 599) {
    return Error{
        Code::function_failed,
        "the function set the status " + std::to_string(reply.status) + "; a reply has one from 200 to 599",
        Stage::reply};
  }
  if (reply.headers.empty()) return std::nullopt;
  std::size_t bytes = 0;
  for (const Header& header : reply.headers) bytes += header.name.size() + header.value.size();
  if (reply.headers.size() <= reply_header_count_max && bytes <= reply_header_bytes_max) return std::nullopt;
  return Error{Code::limit,
               "the function set " + std::to_string(reply.headers.size()) + " reply headers of " +
                   std::to_string(bytes) + " bytes; at most " + std::to_string(reply_header_count_max) +
                   " and " + size_text(reply_header_bytes_max) + " can be sent",
               Stage::reply};
}

net::HttpResponse call_response(Reply& reply, CallId id) {
  net::HttpResponse response;
  response.status = reply.status;
  response.headers.reserve(reply.headers.size() + 5);
  for (Header& header : reply.headers) {
    if (wire::same_word(header.name, "Content-Type")) {
      response.content_type = std::move(header.value);
    } else if (!is_ours(header.name)) {
      response.headers.push_back({std::move(header.name), std::move(header.value)});
    }
  }
  response.body = std::move(reply.output);
  if (response.content_type.empty() && !response.body.empty()) {
    const bool text = response.body.size() <= text_bytes_max && looks_like_text(response.body);
    response.content_type = text ? "text/plain; charset=utf-8" : "application/octet-stream";
  }
  add_usage_headers(reply.usage, id, response);
  return response;
}

net::HttpResponse error_response(const Error& error, std::optional<CallId> id, Duration retry_after) {
  net::HttpResponse response;
  response.status = http_status(error.code);
  response.content_type = "application/json";
  response.body = wire::error_json(error, id) + "\n";
  if (may_retry(error.code)) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
    response.headers.push_back({"Retry-After", std::to_string(seconds)});
  }
  return response;
}

}  // namespace canopy::api
