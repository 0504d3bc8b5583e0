#include "net/http_client.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "base/log.h"
#include "base/units.h"
#include "net/address.h"
#include "net/header_text.h"
#include "net/input_buffer.h"
#include "net/response_reader.h"
#include "net/url.h"

namespace canopy::net {
namespace {

using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using PlainStream = Tcp::socket;
using TlsStream = asio::ssl::stream<Tcp::socket>;

constexpr std::size_t read_bytes = 64 * KiB;
constexpr std::size_t read_bytes_max = 512 * KiB;
constexpr std::size_t asked_body_bytes =
    MiB;  // Before a larger body the server is asked whether it wants it.
constexpr std::size_t line_bytes_max = MiB;
constexpr Duration ask_time = std::chrono::seconds(1);

bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
  });
}

bool is_set_by_us(std::string_view name) {
  return same_text(name, "Host") || same_text(name, "Content-Length") || same_text(name, "Connection") ||
         same_text(name, "Transfer-Encoding") || same_text(name, "Expect");
}

Result<std::string> head_of(const HttpClientRequest& request, const Url& url, bool asks) {
  if (!is_token(request.method)) {
    return fail(Code::invalid, "\"" + log_safe(request.method) + "\" is not an HTTP method");
  }
  if (!is_target(url.path + request.target)) {
    return fail(Code::invalid,
                "\"" + log_safe(request.target) +
                    "\" cannot be asked for: spaces and control characters must be percent-encoded");
  }
  std::string head;
  head.append(request.method).append(" ").append(url.path).append(request.target).append(" HTTP/1.1\r\n");
  head.append("Host: ").append(url.authority).append("\r\n");
  bool has_agent = false;
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_field_value(value)) {
      return fail(Code::invalid, "a header cannot have the name \"" + log_safe(name) + "\" and the value \"" +
                                     log_safe(value) + "\"");
    }
    if (is_set_by_us(name)) continue;
    has_agent = has_agent || same_text(name, "User-Agent");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_agent) head += "User-Agent: canopy\r\n";
  const bool carries = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (carries || !request.body.empty()) {
    head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  if (asks) head += "Expect: 100-continue\r\n";
  head += "Connection: close\r\n\r\n";
  return head;
}

std::string small_letter(std::string message) {
  if (!message.empty() && message[0] >= 'A' && message[0] <= 'Z')
    message[0] = static_cast<char>(message[0] + 32);
  return message;
}

// One request on its way: runs one operation at a time until it is done or the deadline passes.
class Errand {
 public:
  Errand(const HttpClientRequest& request, Url url, ResponseReader::OnData on_data)
      : request_(request),
        url_(std::move(url)),
        on_data_(std::move(on_data)),
        deadline_(system_clock().now() + request.timeout) {
    expect_response();
  }

  Result<HttpClientResponse> run() {
    CANOPY_TRY_VOID(connect());
    if (!url_.is_https) return talk(socket_);
    asio::ssl::context context(asio::ssl::context::tls_client);
    CANOPY_TRY_VOID(set_up(context));
    TlsStream stream(std::move(socket_), context);
    CANOPY_TRY_VOID(shake_hands(stream));
    return talk(stream);
  }

 private:
  void expect_response() {
    reader_ =
        std::make_unique<ResponseReader>(request_.method == "HEAD", request_.response_bytes_max, on_data_);
  }

  // Starts an operation and waits for its end. asio::error::timed_out if the deadline came first.
  template <class Start>
  std::pair<ErrorCode, std::size_t> wait(Tcp::socket& socket, Time deadline, Start start) {
    bool is_done = false;
    ErrorCode error;
    std::size_t size = 0;
    start([&](const ErrorCode& result, auto... count) {
      is_done = true;
      error = result;
      ((size = count), ...);
    });
    io_.restart();
    while (!is_done) {
      if (io_.run_one_until(deadline) != 0) continue;
      if (io_.stopped()) io_.restart();
      ErrorCode ignored;
      socket.cancel(ignored);
      while (!is_done && io_.run_one() != 0) {
      }
      return {is_done && !error ? error : asio::error::timed_out, size};
    }
    return {error, size};
  }

  tl::unexpected<Error> trouble(const std::string& what, const ErrorCode& error) const {
    if (error == asio::error::timed_out && system_clock().now() >= deadline_) {
      return fail(Code::deadline, url_.text + " did not answer within " + duration_text(request_.timeout));
    }
    return fail(Code::unavailable, what + " " + url_.text + ": " + small_letter(error.message()));
  }

  // What is connected to are these very addresses: the name is not asked again.
  Result<void> keep_public(std::vector<Tcp::endpoint>& endpoints) const {
    std::erase_if(endpoints, [](const Tcp::endpoint& endpoint) { return !is_public(endpoint.address()); });
    if (!endpoints.empty()) return {};
    return fail(Code::forbidden, url_.text +
                                     " is an address of this machine or of a private network; only "
                                     "public ones may be asked here");
  }

  // Asked once for a request: a name that changes its mind later is not asked again.
  Result<std::vector<Tcp::endpoint>> addresses_of_host() const {
    ErrorCode error;
    std::vector<asio::ip::address> addresses = {asio::ip::make_address(url_.host, error)};
    if (error) {
      CANOPY_TRY(addresses, look_up(url_.host, deadline_, request_.ask_addresses));
    }
    unsigned port = 0;
    std::from_chars(url_.port.data(), url_.port.data() + url_.port.size(), port);
    std::vector<Tcp::endpoint> endpoints;
    endpoints.reserve(addresses.size());
    for (const asio::ip::address& address : addresses) {
      endpoints.emplace_back(address, static_cast<std::uint16_t>(port));
    }
    return endpoints;
  }

  Result<void> connect() {
    ErrorCode error;
    CANOPY_TRY(std::vector<Tcp::endpoint> endpoints, addresses_of_host());
    if (endpoints.empty()) {
      return fail(Code::unavailable, "cannot connect to " + url_.text + ": the host \"" + url_.host +
                                         "\" is not known; is the URL right?");
    }
    if (request_.public_only) CANOPY_TRY_VOID(keep_public(endpoints));
    for (const auto& endpoint : endpoints) {
      if (socket_.is_open()) socket_.close(error);
      const auto start = [&](auto handler) { socket_.async_connect(endpoint, handler); };
      error = wait(socket_, deadline_, start).first;
      if (!error || error == asio::error::timed_out) break;
    }
    if (!error) socket_.set_option(Tcp::no_delay(true), error);
    if (!error) return {};
    return trouble("cannot connect to", error);
  }

  Result<void> set_up(asio::ssl::context& context) const {
    if (!request_.is_verified) return {};
    ErrorCode error;
    context.set_verify_mode(asio::ssl::verify_peer, error);
    context.set_verify_callback(asio::ssl::host_name_verification(url_.host), error);
    if (request_.ca_file.empty()) {
      context.set_default_verify_paths(error);
    } else {
      context.load_verify_file(request_.ca_file, error);
    }
    if (error) {
      return fail(Code::invalid, "cannot read trusted certificates from " +
                                     (request_.ca_file.empty() ? "the system" : request_.ca_file) + ": " +
                                     error.message());
    }
    return {};
  }

  Result<void> shake_hands(TlsStream& stream) {
    SSL_set_min_proto_version(stream.native_handle(), TLS1_2_VERSION);
    ErrorCode error;
    if (asio::ip::make_address(url_.host, error); error) {
      SSL_set_tlsext_host_name(stream.native_handle(), url_.host.c_str());
    }
    const auto start = [&stream](auto handler) {
      stream.async_handshake(asio::ssl::stream_base::client, handler);
    };
    error = wait(stream.next_layer(), deadline_, start).first;
    if (!error) return {};
    auto failed = trouble("cannot speak TLS with", error);
    if (const auto result = SSL_get_verify_result(stream.native_handle()); result != X509_V_OK) {
      failed.value().message +=
          std::string(" (") + X509_verify_cert_error_string(result) +
          "); if you trust it, set SSL_CERT_FILE to the file of the authority that signed it";
    }
    return failed;
  }

  static Tcp::socket& lowest(PlainStream& stream) { return stream; }
  static Tcp::socket& lowest(TlsStream& stream) { return stream.next_layer(); }

  // Waits until the server wants the body, or has answered without it; not long, as it may know neither.
  Result<void> ask(PlainStream& stream) {
    const auto until = std::min(deadline_, system_clock().now() + ask_time);
    const auto start = [&stream](auto handler) { stream.async_wait(Tcp::socket::wait_read, handler); };
    if (wait(stream, until, start).first) return {};
    while (!reader_->has_head() && !may_continue_) CANOPY_TRY_VOID(read(stream));
    return {};
  }
  static Result<void> ask(TlsStream&) { return {}; }  // Never called: what is readable may be no answer.

  template <class Stream>
  ErrorCode write(Stream& stream, std::string_view bytes) {
    while (!bytes.empty()) {
      const auto buffer = asio::buffer(bytes);
      const auto start = [&](auto handler) { stream.async_write_some(buffer, handler); };
      const auto [error, size] = wait(lowest(stream), deadline_, start);
      if (error) return error;
      bytes.remove_prefix(size);
    }
    return {};
  }

  template <class Stream>
  Result<void> read(Stream& stream) {
    const auto room = input_.room(read_bytes, read_bytes_max);
    if (room.empty()) return fail(Code::internal, url_.text + ": what came back is not HTTP/1.1");
    const asio::mutable_buffer buffer(room.data(), room.size());
    const auto start = [&](auto handler) { stream.async_read_some(buffer, handler); };
    const auto [error, size] = wait(lowest(stream), deadline_, start);
    input_.commit(size);
    CANOPY_TRY_VOID(parse());
    if (reader_->is_complete()) return {};
    if (error == asio::error::eof) {
      if (auto end = reader_->put_end(); !end)
        return fail(end.error().code, url_.text + ": " + end.error().message);
      return {};
    }
    if (error) return trouble("no response from", error);
    return {};
  }

  Result<void> parse() {
    while (true) {
      auto taken = reader_->put(input_.unread());
      if (!taken) return fail(taken.error().code, url_.text + ": " + taken.error().message);
      input_.consume(*taken);
      if (!reader_->is_interim()) return {};
      may_continue_ = true;
      expect_response();
    }
  }

  template <class Stream>
  Result<HttpClientResponse> talk(Stream& stream) {
    const bool asks = request_.body.size() > asked_body_bytes && !url_.is_https;
    CANOPY_TRY(auto bytes, head_of(request_, url_, asks));
    if (!asks) bytes += request_.body;
    auto broken = write(stream, bytes);
    if (asks && !broken) CANOPY_TRY_VOID(ask(stream));
    if (asks && !broken && !reader_->has_head()) broken = write(stream, request_.body);
    if (broken == asio::error::timed_out) return trouble("cannot send to", broken);
    // A server that refuses a request may do so, and close, before it read all of it. Its answer counts.
    while (!reader_->is_complete()) {
      if (on_data_ && reader_->has_head()) deadline_ = never;
      if (auto more = read(stream); !more) {
        if (broken && !reader_->has_head()) return trouble("the connection broke while sending to", broken);
        return tl::unexpected(std::move(more).error());
      }
    }
    return std::move(reader_->response());
  }

  const HttpClientRequest& request_;
  const Url url_;
  const ResponseReader::OnData on_data_;
  Time deadline_;
  asio::io_context io_{1};
  Tcp::socket socket_{io_};
  InputBuffer input_;
  std::unique_ptr<ResponseReader> reader_;
  bool may_continue_ = false;  // An interim response came.
};

Result<HttpClientResponse> run(const HttpClientRequest& request, ResponseReader::OnData on_data) {
  CANOPY_TRY(auto url, parse_url(request.url));
  return Errand(request, std::move(url), std::move(on_data)).run();
}

}  // namespace

std::string_view HttpClientResponse::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (same_text(each, name)) return value;
  }
  return {};
}

Result<HttpClientResponse> send(const HttpClientRequest& request) { return run(request, {}); }

Result<HttpClientResponse> stream(const HttpClientRequest& request,
                                  const std::function<bool(std::string_view data)>& on_data) {
  return run(request, on_data);
}

Result<HttpClientResponse> stream_lines(const HttpClientRequest& request,
                                        const std::function<bool(std::string_view line)>& on_line) {
  std::string unfinished;
  bool goes_on = true;
  const auto give = [&](std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    goes_on = on_line(line);
  };
  const auto split = [&](std::string_view data) {
    unfinished += data;
    std::size_t start = 0;
    for (auto end = unfinished.find('\n'); goes_on && end != std::string::npos;
         end = unfinished.find('\n', start)) {
      give(std::string_view(unfinished).substr(start, end - start));
      start = end + 1;
    }
    unfinished.erase(0, start);
    if (goes_on && unfinished.size() >= line_bytes_max) {
      give(unfinished);
      unfinished.clear();
    }
    return goes_on;
  };
  auto response = run(request, split);
  if (response && goes_on && !unfinished.empty()) give(unfinished);
  return response;
}

}  // namespace canopy::net
