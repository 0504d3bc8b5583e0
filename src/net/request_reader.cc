#include "net/request_reader.h"

#include <algorithm>
#include <utility>

#include <boost/beast/http/error.hpp>

#include "base/log.h"
#include "base/units.h"
#include "net/header_text.h"

namespace canopy::net {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;

std::string_view text(beast::string_view view) { return {view.data(), view.size()}; }

bool is_past(std::uint64_t size, std::uint64_t more, std::uint64_t max) {
  return more > max || size > max - more;
}

// Whether a request line that Beast could not read ends in a version that is well formed, but not ours.
bool asks_for_another_version(std::string_view head) {
  auto line = head.substr(0, head.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  const auto space = line.rfind(' ');
  if (space == std::string_view::npos) return false;
  const auto version = line.substr(space + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!version.starts_with("HTTP/") || version.size() < 6 || !is_digit(version[5])) return false;
  return version.find_first_not_of("0123456789.", 5) == std::string_view::npos && version != "HTTP/1.1" &&
         version != "HTTP/1.0";
}

std::string_view what_is_wrong(http::error error) {
  switch (error) {
    case http::error::bad_line_ending:
      return "a line has to end in CR LF";
    case http::error::bad_method:
      return "the request line has to begin with a method, such as GET, and one space";
    case http::error::bad_target:
      return "the target has a character that must be percent-encoded";
    case http::error::bad_version:
      return "the request line has to end in HTTP/1.1";
    case http::error::bad_field:
      return "a header line has to be a name, a colon at once, and a value";
    case http::error::bad_value:
      return "a header's value has a character that is not allowed there";
    case http::error::bad_content_length:
      return "Content-Length has to be one decimal number, and not beside Transfer-Encoding";
    case http::error::multiple_content_length:
      return "Content-Length is there more than once";
    case http::error::bad_transfer_encoding:
      return "Transfer-Encoding has to be \"chunked\", once, and not beside Content-Length";
    case http::error::bad_chunk:
      return "a chunk has to be its size in hexadecimal, CR LF, that many bytes, CR LF";
    case http::error::bad_chunk_extension:
      return "what follows a chunk's size is no chunk extension";
    default:
      return "it is not HTTP/1.1";
  }
}

}  // namespace

void RequestReader::Parser::stop(int status, Code code, std::string message, ErrorCode& error) {
  refusal = Refusal{status, Error{code, std::move(message)}};
  error = http::error::bad_value;
}

// Splits the target into path and query, whichever form it has.
void RequestReader::Parser::check_target(std::string_view target, ErrorCode& error) {
  auto local = target;
  if (!target.starts_with('/')) {
    const auto scheme = target.find("://");
    const auto name = target.substr(0, scheme);
    if (scheme != std::string_view::npos && (same_text(name, "http") || same_text(name, "https"))) {
      const auto authority = target.substr(scheme + 3);
      const auto end = std::min(authority.find_first_of("/?#"), authority.size());
      if (end == 0) return stop(400, Code::invalid, "request line: the target names no host", error);
      local = authority.substr(end);
    } else if (target != "*" || request.method != "OPTIONS") {
      return stop(400, Code::invalid, "request line: the target has to begin with '/'", error);
    }
  }
  const auto question = local.find('?');
  request.path = local.substr(0, question);
  if (request.path.empty()) request.path = "/";
  request.query = question == std::string_view::npos ? std::string_view() : local.substr(question + 1);
}

void RequestReader::Parser::on_request_impl(http::verb, Text method, Text target, int version,
                                            ErrorCode& error) {
  request.method = text(method);
  request.target = text(target);
  facts.http10 = version == 10;
  check_target(request.target, error);
}

void RequestReader::Parser::on_field_impl(Field id, Text beast_name, Text beast_value, ErrorCode& error) {
  const auto name = text(beast_name);
  const auto value = text(beast_value);
  const auto* name_end = name.data() + name.size();
  const bool inside = value.data() >= name_end && value.data() <= head.data() + head.size();
  if (!inside || std::find(name_end, value.data(), '\r') != value.data()) {
    return stop(400, Code::invalid, "a header line that is folded over two lines is not accepted", error);
  }
  if (facts.line_count++ == head_lines_max) {
    return stop(431, Code::too_large,
                "the request has more than " + std::to_string(head_lines_max) + " header lines", error);
  }
  if (is_header_done()) return;  // A trailer: checked, and dropped.
  switch (id) {
    case Field::host:
      ++facts.host_count;
      if (value.find_first_of(" \t,/\\?#@") != std::string_view::npos) {
        return stop(400, Code::invalid, "Host has to be a name with an optional port", error);
      }
      break;
    case Field::content_length:
      if (facts.has_length) return stop(400, Code::invalid, "Content-Length is there more than once", error);
      if (value.find(',') != std::string_view::npos) {
        return stop(400, Code::invalid, "Content-Length has to be one decimal number", error);
      }
      facts.has_length = true;
      break;
    case Field::transfer_encoding:
      if (facts.http10) {
        return stop(400, Code::invalid, "Transfer-Encoding does not exist in HTTP/1.0", error);
      }
      if (!same_text(value, "chunked")) {
        return stop(501, Code::invalid,
                    "no transfer coding but \"chunked\" is known here, not \"" + log_safe(value, 80) + '"',
                    error);
      }
      facts.chunked = true;
      break;
    case Field::expect:
      if (!same_text(value, "100-continue")) {
        return stop(417, Code::invalid, "nothing but \"100-continue\" can be expected here", error);
      }
      facts.expects_continue = !facts.http10;
      break;
    default:
      break;
  }
  request.headers.emplace_back(name, value);
}

void RequestReader::Parser::on_header_impl(ErrorCode& error) {
  if (facts.host_count > 1) return stop(400, Code::invalid, "Host is there more than once", error);
  if (facts.host_count == 0 && !facts.http10) {
    return stop(400, Code::invalid, "a request of HTTP/1.1 needs the header Host", error);
  }
}

void RequestReader::Parser::on_body_init_impl(boost::optional<std::uint64_t> const& length, ErrorCode&) {
  // The client may promise more than it sends: memory follows what arrives.
  constexpr std::uint64_t trusted = 256 * KiB;
  if (length) request.body.reserve(std::min(*length, trusted));
}

std::size_t RequestReader::Parser::on_body_impl(Text body, ErrorCode&) {
  request.body.append(body.data(), body.size());
  return body.size();
}

void RequestReader::Parser::on_chunk_header_impl(std::uint64_t size, Text extensions, ErrorCode& error) {
  if (!is_field_value(text(extensions))) {
    return stop(400, Code::invalid, "a chunk extension has a control character", error);
  }
  extension_bytes += extensions.size();
  if (extension_bytes > head_bytes_max) {
    return stop(400, Code::too_large,
                "the body's chunk extensions are larger than the limit of " + size_text(head_bytes_max),
                error);
  }
  if (is_past(body_size, size, body_size_max)) {
    return stop(413, Code::too_large, "the body is larger than the limit of " + size_text(body_size_max),
                error);
  }
  body_size += size;
  chunk_left = size;
}

std::size_t RequestReader::Parser::on_chunk_body_impl(std::uint64_t left, Text body, ErrorCode&) {
  request.body.append(body.data(), body.size());
  chunk_left = left - body.size();
  return body.size();
}

RequestReader::RequestReader(HttpRequest& request, std::size_t head_bytes_max)
    : parser_(request, head_bytes_max) {
  parser_.body_limit(boost::none);
  parser_.header_limit(static_cast<std::uint32_t>(head_bytes_max));
}

std::optional<std::uint64_t> RequestReader::body_left() const {
  const auto left = parser_.content_length_remaining();
  return left ? std::optional<std::uint64_t>(*left) : std::nullopt;
}

void RequestReader::limit_body(std::uint64_t size_max) {
  parser_.body_size_max = size_max;
  const auto length = parser_.content_length();
  if (length && *length > size_max) {
    refuse({413, Error{Code::too_large, "the body of " + size_text(*length) +
                                            " is larger than the limit of " + size_text(size_max)}});
  }
}

void RequestReader::refuse(Refusal refusal) {
  refusal_ = std::move(refusal);
  state_ = State::refused;
}

std::size_t RequestReader::put(std::string_view bytes) {
  if (state_ == State::head) return put_head(bytes);
  if (state_ == State::body) return put_body(bytes);
  return 0;
}

std::size_t RequestReader::put_head(std::string_view bytes) {
  constexpr std::string_view end_of_head = "\r\n\r\n";
  if (searched_ == 0) {
    std::size_t skipped = 0;
    while (bytes.substr(skipped).starts_with("\r\n")) skipped += 2;
    if (skipped != 0 || bytes == "\r") return skipped;
  }
  const auto limit = parser_.head_bytes_max;
  const auto from = searched_ < 3 ? 0 : searched_ - 3;
  const auto end = bytes.substr(0, limit).find(end_of_head, from);
  if (end == std::string_view::npos) {
    if (bytes.size() >= limit) {
      const bool is_target = bytes.find('\n') >= limit;
      const std::string what = is_target ? "the request line" : "the head of the request";
      refuse({is_target ? 414 : 431,
              Error{Code::too_large, what + " is larger than the limit of " + size_text(limit)}});
    } else if (searched_ == 0 && !bytes.empty()) {
      look_ahead(bytes);
    }
    searched_ = bytes.size();
    return 0;
  }
  parser_.head = bytes.substr(0, end + end_of_head.size());
  beast::error_code error;
  const auto taken = parser_.put({parser_.head.data(), parser_.head.size()}, error);
  if (error) {
    refuse_head(parser_.head, taken, error);
  } else {
    state_ = parser_.is_done() ? State::done : State::body;
  }
  return taken;
}

// Garbage is refused as soon as the first bytes show it, not when the time for a head is over.
void RequestReader::look_ahead(std::string_view bytes) {
  HttpRequest ignored;
  Parser trial(ignored, parser_.head_bytes_max);
  trial.head = bytes;
  trial.header_limit(static_cast<std::uint32_t>(parser_.head_bytes_max));
  beast::error_code error;
  const auto taken = trial.put({bytes.data(), bytes.size()}, error);
  if (error == http::error::need_more || !error) return;
  parser_.refusal = std::move(trial.refusal);
  refuse_head(bytes, taken, error);
}

void RequestReader::refuse_head(std::string_view head, std::size_t taken, beast::error_code error) {
  if (parser_.refusal) return refuse(*std::move(parser_.refusal));
  if (error == http::error::bad_version && taken == 0 && asks_for_another_version(head)) {
    return refuse({505, Error{Code::invalid, "only HTTP/1.1 and HTTP/1.0 are spoken here"}});
  }
  if (error == http::error::header_limit) {
    return refuse({431, Error{Code::too_large, "a header line is too long"}});
  }
  const auto line = std::count(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(taken), '\n') + 1;
  refuse(
      {400, Error{Code::invalid, "line " + std::to_string(line) + " of the request: " +
                                     std::string(what_is_wrong(static_cast<http::error>(error.value())))}});
}

std::size_t RequestReader::put_body(std::string_view bytes) {
  constexpr std::size_t shortest_end = 5;  // "0\r\n\r\n"
  std::size_t taken = 0;
  while (state_ == State::body) {
    const auto rest = bytes.substr(taken);
    // Less than the shortest end of a chunked body cannot end it, and Beast counts on being given that much.
    if (rest.empty() || (parser_.facts.chunked && rest.size() < shortest_end)) break;
    const bool at_chunk_header = parser_.facts.chunked && parser_.chunk_left == 0;
    beast::error_code error;
    parser_.head = rest;
    const auto step = parser_.put({rest.data(), rest.size()}, error);
    taken += step;
    const bool needs_more = error == http::error::need_more;
    const auto header_size = needs_more ? rest.size() : step;
    if (at_chunk_header &&
        (header_size > parser_.head_bytes_max || (needs_more && header_size == parser_.head_bytes_max))) {
      refuse({431, Error{Code::too_large, "a chunk's header or the trailers are larger than the limit of " +
                                              size_text(parser_.head_bytes_max)}});
      break;
    }
    if (needs_more) break;
    if (error) {
      const auto value = static_cast<http::error>(error.value());
      if (!parser_.refusal) {
        parser_.refusal =
            Refusal{400, Error{Code::invalid, "the body, after " + size_text(parser_.request.body.size()) +
                                                  ": " + std::string(what_is_wrong(value))}};
      }
      refuse(*std::move(parser_.refusal));
    } else if (parser_.is_done()) {
      state_ = State::done;
    }
  }
  return taken;
}

}  // namespace canopy::net
