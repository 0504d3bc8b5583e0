#pragma once
// For tests: a client of gRPC on a connection of its own to a server on this machine, which can also send
// what no client should.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/descriptor.h"
#include "net/http2_client.h"
#include "wire/grpc.h"

namespace canopy::hyperfaas {

// What a method answered.
struct GrpcAnswer {
  wire::GrpcStatus status = wire::GrpcStatus::unknown;
  std::string words;                  // grpc-message, unescaped; or why there is no status.
  std::vector<std::string> messages;  // Without what stands before each.
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> trailers;  // Of the head, where there was nothing else.
  int http_status = 0;

  bool is_ok() const { return status == wire::GrpcStatus::ok; }
  std::string message() const { return messages.empty() ? std::string() : messages.front(); }
};

class GrpcClient {
 public:
  using Headers = std::vector<net::HttpHeader>;

  explicit GrpcClient(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CANOPY_CHECK(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }

  // `body` as it is sent, what stands before its messages among it.
  GrpcAnswer call(const std::string& path, std::string body, Headers headers = {}) {
    return wait(begin(path, std::move(body), std::move(headers)));
  }
  std::int32_t begin(const std::string& path, std::string body, Headers headers = {}) {
    net::Http2Request request;
    request.authority = authority;
    request.path = path;
    request.headers = {{"content-type", "application/grpc"}, {"te", "trailers"}};
    request.headers.insert(request.headers.end(), headers.begin(), headers.end());
    request.body = std::move(body);
    const auto number = std::make_shared<std::int32_t>(0);
    *number = client_.ask(std::move(request), reply_bytes_max,
                          [this, number](net::Http2Reply reply) { ended_[*number] = std::move(reply); });
    send();
    return *number;
  }
  GrpcAnswer wait(std::int32_t id) {
    CANOPY_CHECK(until([this, id] { return ended_.contains(id); }));
    return read(ended_.at(id));
  }
  bool has_ended(std::int32_t id) const { return ended_.contains(id); }
  // The head of its answer is there.
  bool has_begun(std::int32_t id) const {
    const net::Http2Reply* const reply = client_.look(id);
    return has_ended(id) || (reply != nullptr && reply->status != 0);
  }
  // The messages of a stream that goes on.
  std::vector<std::string> messages(std::int32_t id) {
    const net::Http2Reply* const reply = client_.look(id);
    return reply == nullptr ? std::vector<std::string>() : parts(reply->body);
  }
  void cancel(std::int32_t id) {
    client_.cancel(id);
    send();
  }

  // Reads on until that holds; false where it never did.
  bool until(const std::function<bool()>& condition) {
    while (!condition()) {
      pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, patience_ms) != 1) return false;
      std::array<char, 65536> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
      const ssize_t got = recv(socket_.get(), bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        client_.close("the server closed the connection");
        return condition();
      }
      client_.receive({bytes.data(), static_cast<std::size_t>(got)});
      send();
    }
    return true;
  }

  std::string authority = "localhost";

 private:
  static constexpr std::uint64_t reply_bytes_max = 64 << 20;
  static constexpr int patience_ms = 60'000;

  void send() {
    std::string out;
    client_.fill(out);
    for (std::size_t sent = 0; sent < out.size();) {
      const ssize_t taken = ::send(socket_.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      if (taken <= 0) return;
      sent += static_cast<std::size_t>(taken);
    }
  }

  static std::vector<std::string> parts(std::string_view body) {
    std::vector<std::string> all;
    const auto read = wire::read_grpc_messages(body, reply_bytes_max);
    CANOPY_CHECK(read.has_value());
    for (const std::string_view one : *read) all.emplace_back(one);
    return all;
  }

  static GrpcAnswer read(const net::Http2Reply& reply) {
    GrpcAnswer answer;
    answer.http_status = reply.status;
    if (reply.error) answer.words = reply.error->message;
    for (const auto& [name, value] : reply.headers) answer.metadata[name] = value;
    for (const auto& [name, value] : reply.trailers.empty() ? reply.headers : reply.trailers) {
      answer.trailers[name] = value;
    }
    const auto status = wire::parse_grpc_status(answer.trailers["grpc-status"]);
    if (!status) return answer;
    answer.status = *status;
    answer.words = wire::unescape_grpc_message(answer.trailers["grpc-message"]);
    answer.messages = parts(reply.body);
    return answer;
  }

  const Descriptor socket_;
  net::Http2Client client_;
  std::map<std::int32_t, net::Http2Reply> ended_;
};

}  // namespace canopy::hyperfaas
