#include "api/call_reply.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/hex.h"
#include "base/utf8.h"
#include "wire/headers.h"
#include "wire/json.h"

namespace canopy::api {
namespace {

constexpr std::size_t text_bytes_max = 2 * KiB;  // What is beyond is not looked at.

// Whether the eight characters at `text` are all from ' ' to '~', without looking at each.
bool all_printable(const char* text) {
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr std::uint64_t highs = 0x80 * ones;
  std::uint64_t word = 0;
  std::memcpy(&word, text, sizeof word);
  // Per byte: the top bit is set where it was, where it is below ' ', and where it is 0x7f.
  const std::uint64_t below = (word - 0x20 * ones) & ~word;
  const std::uint64_t above = (word & ~highs) + ones;
  return ((word | below | above) & highs) == 0;
}

// Writes into memory that is known to be large enough.
char* put(char* at, std::string_view text) {
  std::memcpy(at, text.data(), text.size());
  return at + text.size();
}

char* put_number(char* at, std::uint64_t number) { return std::to_chars(at, at + 20, number).ptr; }

// To the microsecond or, below a millisecond, to the nanosecond. At most 31 characters.
char* put_seconds(char* at, Duration duration) {
  const auto count = static_cast<std::uint64_t>(std::max<Duration::rep>(duration.count(), 0));
  at = put_number(at, count / 1'000'000'000);
  *at++ = '.';
  const bool is_short = count < 1'000'000;
  auto rest = static_cast<std::uint32_t>(count % 1'000'000'000);
  if (!is_short) rest /= 1000;
  char* const end = at + (is_short ? 9 : 6);
  for (char* digit = end; digit > at; rest /= 10) *--digit = static_cast<char>('0' + rest % 10);
  return end;
}

// Headers that only Canopy may set on a reply.
bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 5> ours = {"X-Call-Id", "X-Duration-Seconds", "X-Queue-Seconds",
                                                    "X-Cold-Start", "X-Memory-Bytes"};
  if (name.size() < 9 || (name[0] != 'X' && name[0] != 'x')) return false;
  return std::ranges::any_of(ours, [name](std::string_view own) { return wire::same_word(name, own); });
}

}  // namespace

// By hand and in one string: on the hot path, five headers of their own would cost more than all the rest.
void add_usage(const Usage& usage, CallId id, net::HttpResponse& response) {
  std::array<char, 256> lines;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read.
  char* at = put(lines.data(), "X-Call-Id: ");
  for (const std::uint64_t part : {id.high, id.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) *at++ = hex_digits[part >> shift & 15];
  }
  at = put(at, "\r\nX-Duration-Seconds: ");
  at = put_seconds(at, usage.run_time);
  at = put(at, "\r\nX-Queue-Seconds: ");
  at = put_seconds(at, usage.wait_time);
  at = put(at, usage.cold ? "\r\nX-Cold-Start: true" : "\r\nX-Cold-Start: false");
  at = put(at, "\r\nX-Memory-Bytes: ");
  at = put_number(at, usage.memory_bytes);
  at = put(at, "\r\n");
  response.own_lines.assign(lines.data(), at);
}

void append_seconds(Duration duration, std::string& out) {
  std::array<char, 32> text{};
  out.append(text.data(), put_seconds(text.data(), duration));
}

bool looks_like_text(std::string_view output) {
  const std::string_view front = output.substr(0, text_bytes_max);
  bool ascii = true;
  for (std::size_t at = 0; at < front.size();) {
    if (at + sizeof(std::uint64_t) <= front.size() && all_printable(front.data() + at)) {
      at += sizeof(std::uint64_t);
      continue;
    }
    const auto byte = static_cast<unsigned char>(front[at++]);
    if (byte >= 0x80) {
      ascii = false;
    } else if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r' && byte != 0x1b) ||
               byte == 0x7f) {
      return false;
    }
  }
  if (ascii) return true;
  const std::size_t bad = find_invalid_utf8(front);
  // A character may be cut where we stop looking, but not where the output ends.
  return bad == std::string_view::npos || (front.size() < output.size() && bad + 4 > front.size());
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
  response.headers.reserve(reply.headers.size());
  for (Header& header : reply.headers) {
    if (wire::same_word(header.name, "Content-Type")) {
      response.content_type = std::move(header.value);
    } else if (!is_ours(header.name)) {
      response.headers.push_back({std::move(header.name), std::move(header.value)});
    }
  }
  response.body = std::move(reply.output);
  if (response.content_type.empty() && !response.body.empty()) {
    const bool text = looks_like_text(response.body);
    response.content_type = text ? "text/plain; charset=utf-8" : "application/octet-stream";
  }
  add_usage(reply.usage, id, response);
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
