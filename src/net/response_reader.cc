#include "net/response_reader.h"

#include <utility>

#include <boost/beast/http/error.hpp>

#include "base/units.h"

namespace canopy::net {
namespace {

namespace http = boost::beast::http;

constexpr std::uint32_t head_bytes_max = 256 * KiB;

std::string_view text(boost::beast::string_view view) { return {view.data(), view.size()}; }

}  // namespace

ResponseReader::ResponseReader(bool answers_head, std::uint64_t body_bytes_max, OnData on_data)
    : body_bytes_max_(body_bytes_max), on_data_(std::move(on_data)) {
  basic_parser::body_limit(boost::none);
  basic_parser::header_limit(head_bytes_max);
  basic_parser::skip(answers_head);
}

Result<std::size_t> ResponseReader::put(std::string_view bytes) {
  constexpr std::size_t shortest_end = 5;  // "0\r\n\r\n", the shortest that Beast wants to be given.
  std::size_t taken = 0;
  while (!is_complete() && taken < bytes.size()) {
    const auto rest = bytes.substr(taken);
    const bool at_chunk_header = has_head() && chunked() && chunk_left_ == 0;
    if (at_chunk_header && rest.size() < shortest_end) break;
    ErrorCode error;
    taken += basic_parser::put({rest.data(), rest.size()}, error);
    if (failure_) return tl::unexpected(*std::move(failure_));
    if (error == http::error::need_more) {
      if (bytes.size() - taken >= head_bytes_max) {
        return fail(Code::internal, "what came back has a head or a chunk header without end");
      }
      break;
    }
    if (error && !stopped_) return fail(Code::internal, "what came back is not HTTP/1.1: " + error.message());
  }
  return taken;
}

Result<void> ResponseReader::put_end() {
  if (is_complete()) return {};
  if (got_some()) {
    ErrorCode error;
    basic_parser::put_eof(error);
    if (!error && is_done()) return {};
  }
  return fail(Code::unavailable,
              got_some() ? "the connection ended in the middle of the response"
                         : "the connection ended without a response; the server's log may say why");
}

std::size_t ResponseReader::take_body(std::string_view piece, ErrorCode& error) {
  if (on_data_ && response_.status / 100 == 2) {
    stopped_ = !on_data_(piece);
    if (stopped_) error = http::error::end_of_stream;
    return piece.size();
  }
  if (piece.size() > body_bytes_max_ - response_.body.size()) {
    failure_ =
        Error{Code::too_large, "the response is larger than the limit of " + size_text(body_bytes_max_)};
    error = http::error::body_limit;
    return 0;
  }
  response_.body += piece;
  return piece.size();
}

void ResponseReader::on_response_impl(int status, Text, int, ErrorCode&) { response_.status = status; }

void ResponseReader::on_field_impl(http::field, Text name, Text value, ErrorCode&) {
  if (is_header_done()) return;  // Trailers.
  response_.headers.push_back({std::string(text(name)), std::string(text(value))});
}

std::size_t ResponseReader::on_body_impl(Text body, ErrorCode& error) { return take_body(text(body), error); }

void ResponseReader::on_chunk_header_impl(std::uint64_t size, Text, ErrorCode&) { chunk_left_ = size; }

std::size_t ResponseReader::on_chunk_body_impl(std::uint64_t left, Text body, ErrorCode& error) {
  const auto taken = take_body(text(body), error);
  chunk_left_ = left - taken;
  return taken;
}

}  // namespace canopy::net
