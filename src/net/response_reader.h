#pragma once
// Makes one HTTP/1 response out of bytes, for the client. The grammar is Beast's.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "base/error.h"
#include "net/http_client.h"

namespace canopy::net {

class ResponseReader final : private boost::beast::http::basic_parser<false> {
 public:
  // Gets the body of a 2xx, piece by piece; false ends the response there.
  using OnData = std::function<bool(std::string_view)>;

  // `on_data` may be empty: then the body is kept.
  ResponseReader(bool answers_head, std::uint64_t body_bytes_max, OnData on_data);

  // Takes what it can from the front of `bytes`; returns how much. What is left comes again with more.
  Result<std::size_t> put(std::string_view bytes);
  // No more bytes come.
  Result<void> put_end();

  bool has_head() const { return is_header_done(); }
  bool is_interim() const { return is_header_done() && response_.status / 100 == 1; }
  bool is_complete() const { return is_done() || stopped_; }
  // Whether another response may follow on the connection; once it is complete.
  bool keeps_connection() const { return is_done() && keep_alive(); }
  HttpClientResponse& response() { return response_; }

 private:
  using ErrorCode = boost::beast::error_code;
  using Text = boost::beast::string_view;

  std::size_t take_body(std::string_view piece, ErrorCode& error);

  void on_request_impl(boost::beast::http::verb, Text, Text, int, ErrorCode&) override {}
  void on_response_impl(int status, Text reason, int version, ErrorCode& error) override;
  void on_field_impl(boost::beast::http::field, Text name, Text value, ErrorCode&) override;
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, ErrorCode&) override {}
  std::size_t on_body_impl(Text body, ErrorCode& error) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, ErrorCode&) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, Text body, ErrorCode& error) override;
  void on_finish_impl(ErrorCode&) override {}

  const std::uint64_t body_bytes_max_;
  const OnData on_data_;
  HttpClientResponse response_;
  std::uint64_t chunk_left_ = 0;
  bool stopped_ = false;
  std::optional<Error> failure_;
};

}  // namespace canopy::net
