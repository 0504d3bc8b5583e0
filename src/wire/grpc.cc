#include "wire/grpc.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/hex.h"
#include "base/units.h"
#include "base/words.h"

namespace canopy::wire {
namespace {

constexpr std::size_t timeout_digits_max = 8;
constexpr std::size_t status_count = 17;

constexpr std::array<std::string_view, status_count> status_names = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

struct Unit {
  char letter;
  Duration length;
};
constexpr std::array<Unit, 6> units = {{{'n', std::chrono::nanoseconds(1)},
                                        {'u', std::chrono::microseconds(1)},
                                        {'m', std::chrono::milliseconds(1)},
                                        {'S', std::chrono::seconds(1)},
                                        {'M', std::chrono::minutes(1)},
                                        {'H', std::chrono::hours(1)}}};
constexpr Duration timeout_max = std::chrono::hours(24 * 365 * 100);

std::uint32_t read_length(std::string_view prefix) {
  std::uint32_t length = 0;
  for (const char c : prefix.substr(1, 4)) length = length << 8U | static_cast<unsigned char>(c);
  return length;
}

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '%'; }

GrpcResult<std::string_view> take_message(std::string_view& body, std::uint64_t bytes_max) {
  if (body.size() < grpc_prefix_bytes) {
    return grpc_fail(GrpcStatus::internal, "the request ends within the " +
                                               std::to_string(grpc_prefix_bytes) + " bytes before a message");
  }
  const auto flag = static_cast<unsigned char>(body.front());
  const std::uint32_t length = read_length(body);
  if (flag > 1) {
    return grpc_fail(GrpcStatus::internal,
                     "a message begins with " + std::to_string(flag) +
                         ", which says neither that it is compressed nor that it is not");
  }
  if (length > bytes_max) {
    return grpc_fail(
        GrpcStatus::resource_exhausted,
        "a message has " + std::to_string(length) + " bytes, and may have " + size_text(bytes_max) + " here");
  }
  if (flag == 1) {
    return grpc_fail(GrpcStatus::unimplemented,
                     "a message is compressed, and this server reads none that are; send it as it is");
  }
  body.remove_prefix(grpc_prefix_bytes);
  if (body.size() < length) {
    return grpc_fail(GrpcStatus::internal, "a message should have " + std::to_string(length) +
                                               " bytes, and the request ends after " +
                                               std::to_string(body.size()) + " of them");
  }
  const std::string_view message = body.substr(0, length);
  body.remove_prefix(length);
  return message;
}

}  // namespace

GrpcStatus grpc_status(Code code) {
  switch (code) {
    case Code::invalid:
      return GrpcStatus::invalid_argument;
    case Code::unauthorized:
      return GrpcStatus::unauthenticated;
    case Code::forbidden:
      return GrpcStatus::permission_denied;
    case Code::not_found:
      return GrpcStatus::not_found;
    case Code::conflict:
      return GrpcStatus::aborted;
    case Code::too_large:
    case Code::exhausted:
    case Code::limit:
      return GrpcStatus::resource_exhausted;
    case Code::refused:
      return GrpcStatus::failed_precondition;
    case Code::function_failed:
      return GrpcStatus::unknown;
    case Code::canceled:
      return GrpcStatus::cancelled;
    case Code::unavailable:
      return GrpcStatus::unavailable;
    case Code::deadline:
    case Code::slow_client:
      return GrpcStatus::deadline_exceeded;
    case Code::internal:
    case Code::died:
      break;
  }
  return GrpcStatus::internal;
}

GrpcStatus grpc_status_of_http(int status) {
  switch (status) {
    case 400:
      return GrpcStatus::internal;
    case 401:
      return GrpcStatus::unauthenticated;
    case 403:
      return GrpcStatus::permission_denied;
    case 404:
    case 405:
      return GrpcStatus::unimplemented;
    case 408:
      return GrpcStatus::deadline_exceeded;
    case 413:
    case 431:
      return GrpcStatus::resource_exhausted;
    case 429:
    case 502:
    case 503:
    case 504:
      return GrpcStatus::unavailable;
    default:
      return GrpcStatus::unknown;
  }
}

std::optional<Code> code_of(GrpcStatus status) {
  switch (status) {
    case GrpcStatus::ok:
      return std::nullopt;
    case GrpcStatus::cancelled:
      return Code::canceled;
    case GrpcStatus::deadline_exceeded:
      return Code::deadline;
    case GrpcStatus::resource_exhausted:
      return Code::limit;
    default:
      return Code::function_failed;
  }
}

std::string_view name(GrpcStatus status) { return status_names.at(static_cast<std::size_t>(status)); }

std::optional<GrpcStatus> parse_grpc_status(std::string_view text) {
  unsigned number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || number >= status_count) return std::nullopt;
  return static_cast<GrpcStatus>(number);
}

bool is_grpc_type(std::string_view content_type) {
  constexpr std::string_view type = "application/grpc";
  if (content_type.size() < type.size() || !same_word(content_type.substr(0, type.size()), type))
    return false;
  if (content_type.size() == type.size()) return true;
  const char next = content_type[type.size()];
  return next == '+' || next == ';' || next == ' ';
}

GrpcResult<std::vector<std::string_view>> read_grpc_messages(std::string_view body, std::uint64_t bytes_max) {
  std::vector<std::string_view> messages;
  while (!body.empty()) {
    const auto message = take_message(body, bytes_max);
    if (!message) return tl::unexpected(message.error());
    messages.push_back(*message);
  }
  return messages;
}

GrpcResult<std::string_view> read_grpc_message(std::string_view body, std::uint64_t bytes_max) {
  if (body.empty()) return grpc_fail(GrpcStatus::internal, "the request has no message, and needs one");
  const auto message = take_message(body, bytes_max);
  if (message && !body.empty()) {
    return grpc_fail(GrpcStatus::internal, "the request has more than the one message that it should have");
  }
  return message;
}

std::string grpc_prefix(std::size_t message_bytes) {
  std::string prefix(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    prefix += static_cast<char>(static_cast<std::uint32_t>(message_bytes) >> static_cast<unsigned>(shift));
  }
  return prefix;
}

void append_grpc_message(std::string_view message, std::string& body) {
  body += grpc_prefix(message.size());
  body += message;
}

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > timeout_digits_max + 1) return std::nullopt;
  const auto unit = std::ranges::find(units, text.back(), &Unit::letter);
  text.remove_suffix(1);
  std::int64_t count = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    count = 10 * count + (c - '0');
  }
  if (unit == units.end()) return std::nullopt;
  if (count > timeout_max / unit->length) return timeout_max;
  return count * unit->length;
}

std::string grpc_timeout(Duration duration) {
  constexpr std::int64_t count_max = 99'999'999;
  if (duration < Duration(1)) duration = Duration(1);
  for (const Unit& unit : units) {
    const std::int64_t count = duration / unit.length;
    if (count <= count_max) return std::to_string(count) + unit.letter;
  }
  return std::to_string(count_max) + units.back().letter;
}

std::string escape_grpc_message(std::string_view message) {
  std::string text;
  text.reserve(message.size());
  for (const char c : message) {
    if (is_plain(c)) {
      text += c;
    } else {
      text += '%';
      append_hex(static_cast<unsigned char>(c), text);
    }
  }
  return text;
}

std::string unescape_grpc_message(std::string_view text) {
  std::string message;
  message.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_value(lower(text[i + 1]));
      const auto low = hex_value(lower(text[i + 2]));
      if (high && low) {
        message += static_cast<char>(*high << 4U | *low);
        i += 2;
        continue;
      }
    }
    message += text[i];
  }
  return message;
}

}  // namespace canopy::wire
