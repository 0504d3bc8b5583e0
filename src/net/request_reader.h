#pragma once
// Makes one HTTP/1 request out of bytes, and refuses what two parsers could read in two ways. The grammar is
// Beast's; the rules on top of it are here:
//
//   one Host on HTTP/1.1 · one Content-Length, never a list, never beside a Transfer-Encoding · no transfer
//   coding but chunked, none at all on HTTP/1.0 · no folded header lines · a target that begins with '/',
//   is absolute, or is the '*' of OPTIONS · bounds on the head, its lines, chunk headers and trailers
//
// It knows no socket: the connection feeds it, and so does the fuzzer.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

#include "base/error.h"
#include "net/http.h"

namespace canopy::net {

inline constexpr std::size_t head_lines_max = 256;

// Why the server answers by itself, and then closes.
struct Refusal {
  int status = 400;
  Error error;
};

// What a request's head says to the server rather than to the handler.
struct RequestFacts {
  bool http10 = false;
  bool expects_continue = false;
  bool has_length = false;
  bool chunked = false;
  std::size_t host_count = 0;
  std::size_t line_count = 0;
};

class RequestReader {
 public:
  enum class State { head, body, done, refused };

  // `request` outlives the reader, which fills it.
  RequestReader(HttpRequest& request, std::size_t head_bytes_max);

  // Takes what it can from the front of `bytes`; returns how much, then the caller drops that much and calls
  // again, until nothing is taken: then what is left has to be given again with more behind it. Of a head
  // only empty lines before it are taken until it is whole; then the request's views point into `bytes`.
  // It stops once between head and body.
  std::size_t put(std::string_view bytes);

  State state() const { return state_; }
  const RequestFacts& facts() const { return parser_.facts; }
  // Once the head is there.
  bool keep_alive() const { return parser_.keep_alive(); }
  // What is still to come of a body whose length is known.
  std::optional<std::uint64_t> body_left() const;
  // In state body, before more is put. Refuses at once a length that is known to be past the limit.
  void limit_body(std::uint64_t size_max);
  // In state refused.
  const Refusal& refusal() const { return refusal_; }
  void refuse(Refusal refusal);

 private:
  class Parser final : public boost::beast::http::basic_parser<true> {
   public:
    Parser(HttpRequest& into, std::size_t head_max) : request(into), head_bytes_max(head_max) {}

    HttpRequest& request;
    const std::size_t head_bytes_max;
    std::string_view head;  // Where the head's bytes are: a value from elsewhere was folded.
    RequestFacts facts;
    std::optional<Refusal> refusal;
    std::uint64_t body_size = 0;   // By the chunks' headers.
    std::uint64_t chunk_left = 0;  // 0: at a chunk's header.
    std::uint64_t body_size_max = 0;
    std::size_t extension_bytes = 0;

   private:
    using ErrorCode = boost::beast::error_code;
    using Field = boost::beast::http::field;
    using Text = boost::beast::string_view;

    void stop(int status, Code code, std::string message, ErrorCode& error);
    void check_target(std::string_view target, ErrorCode& error);
    void on_request_impl(boost::beast::http::verb, Text method, Text target, int version,
                         ErrorCode& error) override;
    void on_response_impl(int, Text, int, ErrorCode&) override {}
    void on_field_impl(Field id, Text name, Text value, ErrorCode& error) override;
    void on_header_impl(ErrorCode& error) override;
    void on_body_init_impl(boost::optional<std::uint64_t> const& length, ErrorCode& error) override;
    std::size_t on_body_impl(Text body, ErrorCode& error) override;
    void on_chunk_header_impl(std::uint64_t size, Text extensions, ErrorCode& error) override;
    std::size_t on_chunk_body_impl(std::uint64_t left, Text body, ErrorCode& error) override;
    void on_finish_impl(ErrorCode&) override {}
  };

  std::size_t put_head(std::string_view bytes);
  std::size_t put_body(std::string_view bytes);
  void refuse_head(std::string_view head, std::size_t taken, boost::beast::error_code error);
  void look_ahead(std::string_view bytes);

  Parser parser_;
  State state_ = State::head;
  std::size_t searched_ = 0;  // No end of the head before this.
  Refusal refusal_;           // In state refused.
};

}  // namespace canopy::net
