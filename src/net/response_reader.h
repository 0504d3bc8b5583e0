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
  HttpClientResponse& response() { return response_; }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  std::size_t take_body(std::string_view piece, error_code& error);

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override {}
  void on_response_impl(int status, string_view reason, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field, string_view name, string_view value, error_code&) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code&) override;
  std::size_t on_chunk_body_impl(std::uint64_t left, string_view body, error_code& error) override;
  void on_finish_impl(error_code&) override {}

  const std::uint64_t body_bytes_max_;
  const OnData on_data_;
  HttpClientResponse response_;
  std::uint64_t chunk_left_ = 0;
  bool stopped_ = false;
  std::optional<Error> failure_;
};

}  // namespace canopy::net
