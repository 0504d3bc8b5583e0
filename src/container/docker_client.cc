#include "container/docker_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/units.h"
#include "net/response_reader.h"

namespace canopy::container {
namespace {

constexpr std::size_t reply_bytes_max = 8 * MiB;
constexpr std::size_t piece_bytes = 64 * KiB;
constexpr std::size_t frame_head_bytes = 8;

tl::unexpected<Error> broken(std::string_view what, int error) {
  return fail(Code::unavailable, "Docker cannot be asked: " + std::string(what) + ": " +
                                     std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

tl::unexpected<Error> late() { return fail(Code::deadline, "Docker did not answer in time"); }

// One connection, on which nothing waits past its deadline.
class Connection {
 public:
  static Result<Connection> open(const std::filesystem::path& socket, Duration timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof address.sun_path) {
      return fail(Code::unavailable, "Docker cannot be asked: the path of its socket is too long: " + path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    Descriptor own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!own || connect(own.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return broken(path, errno);
    }
    return Connection(std::move(own), system_clock().now() + timeout);
  }

  Result<void> write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(own_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EAGAIN) {
        CANOPY_TRY_VOID(wait(POLLOUT));
        continue;
      }
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return broken("the connection broke", errno);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
  }

  // Some bytes; "" at the end.
  Result<std::string> read() const {
    std::string piece(piece_bytes, '\0');
    for (;;) {
      const ssize_t got = recv(own_.get(), piece.data(), piece.size(), 0);
      if (got < 0 && errno == EAGAIN) {
        CANOPY_TRY_VOID(wait(POLLIN));
        continue;
      }
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return broken("the connection broke", errno);
      piece.resize(static_cast<std::size_t>(got));
      return piece;
    }
  }

  Descriptor take() { return std::move(own_); }

 private:
  Connection(Descriptor own, Time deadline) : own_(std::move(own)), deadline_(deadline) {}

  Result<void> wait(short what) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - system_clock().now());
    if (left.count() <= 0) return late();
    pollfd wanted{own_.get(), what, 0};
    poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    return {};
  }

  Descriptor own_;
  Time deadline_;
};

std::string head_of(std::string_view method, std::string_view path) {
  std::string head(method);
  head.append(" ").append(path).append(" HTTP/1.1\r\nHost: docker\r\n");
  return head;
}

// Reads until `reader` has enough; what comes behind it is left in the result.
Result<std::string> read_reply(const Connection& connection, net::ResponseReader& reader, bool whole) {
  std::string bytes;
  while (whole ? !reader.is_complete() : !reader.has_head()) {
    CANOPY_TRY(const std::string piece, connection.read());
    if (piece.empty()) {
      if (const auto end = reader.put_end(); !end)
        return fail(Code::unavailable, "Docker: " + end.error().message);
      break;
    }
    bytes += piece;
    const auto taken = reader.put(bytes);
    if (!taken) return fail(Code::unavailable, "Docker: " + taken.error().message);
    bytes.erase(0, *taken);
  }
  return bytes;
}

Result<DockerReply> finish(const Connection& connection) {
  net::ResponseReader reader(false, reply_bytes_max, nullptr);
  CANOPY_TRY_VOID(read_reply(connection, reader, true));
  return DockerReply{.status = reader.response().status, .body = std::move(reader.response().body)};
}

std::string chunk_of(std::string_view piece) {
  std::array<char, 24> size{};
  const int digits = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
  std::string chunk(size.data(), static_cast<std::size_t>(digits));
  chunk.append(piece).append("\r\n");
  return chunk;
}

}  // namespace

Result<DockerReply> DockerClient::ask(std::string_view method, std::string_view path, std::string_view json,
                                      Duration timeout) const {
  CANOPY_TRY(const Connection connection, Connection::open(socket_, timeout));
  std::string request = head_of(method, path);
  request.append("Connection: close\r\n");
  if (!json.empty()) request.append("Content-Type: application/json\r\n");
  request.append("Content-Length: ").append(std::to_string(json.size())).append("\r\n\r\n").append(json);
  CANOPY_TRY_VOID(connection.write(request));
  return finish(connection);
}

Result<DockerReply> DockerClient::send(std::string_view path, const NextPiece& next, Duration timeout) const {
  CANOPY_TRY(const Connection connection, Connection::open(socket_, timeout));
  CANOPY_TRY_VOID(connection.write(
      head_of("POST", path) +
      "Connection: close\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (;;) {
    CANOPY_TRY(const std::string piece, next());
    CANOPY_TRY_VOID(connection.write(chunk_of(piece)));  // An empty one ends the body.
    if (piece.empty()) return finish(connection);
  }
}

Result<DockerClient::Upgraded> DockerClient::upgrade(std::string_view path, Duration timeout) const {
  CANOPY_TRY(Connection connection, Connection::open(socket_, timeout));
  CANOPY_TRY_VOID(connection.write(head_of("POST", path) +
                                   "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"));
  net::ResponseReader reader(false, reply_bytes_max, nullptr);
  CANOPY_TRY(std::string early, read_reply(connection, reader, false));
  if (reader.response().status != 101) {
    return fail(Code::unavailable,
                "Docker does not hand over a container's streams, and answers with status " +
                    std::to_string(reader.response().status));
  }
  return Upgraded{.connection = connection.take(), .early = std::move(early)};
}

Result<DockerClient::Waiting> DockerClient::wait_for_end(const std::string& id, Duration timeout) const {
  CANOPY_TRY(Connection connection, Connection::open(socket_, timeout));
  CANOPY_TRY_VOID(connection.write(head_of("POST", "/containers/" + id + "/wait?condition=next-exit") +
                                   "Connection: close\r\nContent-Length: 0\r\n\r\n"));
  Waiting waiting;
  waiting.reader_ = std::make_shared<net::ResponseReader>(false, reply_bytes_max, nullptr);
  // Docker sends the head as soon as it waits: from then on no end is missed.
  CANOPY_TRY(waiting.bytes_, read_reply(connection, *waiting.reader_, false));
  if (waiting.reader_->response().status != 200) {
    return fail(Code::unavailable, "Docker does not wait for a container, and answers with status " +
                                       std::to_string(waiting.reader_->response().status));
  }
  waiting.connection_ = connection.take();
  return waiting;
}

std::optional<std::string> DockerClient::Waiting::poll() {
  for (;;) {
    std::array<char, 4096> piece{};
    const ssize_t got = recv(connection_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    if (got <= 0) return std::string();
    bytes_.append(piece.data(), static_cast<std::size_t>(got));
    const auto taken = reader_->put(bytes_);
    if (!taken) return std::string();
    bytes_.erase(0, *taken);
    if (reader_->is_complete()) return std::move(reader_->response().body);
  }
}

Descriptor DockerClient::post_only(std::string_view path) const {
  auto connection = Connection::open(socket_, Duration::zero());
  if (!connection) return {};
  const std::string request = head_of("POST", path) + "Connection: close\r\nContent-Length: 0\r\n\r\n";
  if (!connection->write(request)) return {};
  return connection->take();
}

bool DockerStream::put(std::string_view bytes, const OnOutput& on_output) {
  while (!bytes.empty() && !is_broken_) {
    if (left_ > 0) {
      const std::string_view piece = bytes.substr(0, left_);
      on_output(is_error_, piece);
      left_ -= static_cast<std::uint32_t>(piece.size());
      bytes.remove_prefix(piece.size());
      continue;
    }
    const std::size_t wanted = std::min(frame_head_bytes - head_.size(), bytes.size());
    head_.append(bytes.substr(0, wanted));
    bytes.remove_prefix(wanted);
    if (head_.size() < frame_head_bytes) break;
    const auto byte = [this](std::size_t at) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(head_[at]));
    };
    is_broken_ = byte(0) > 2 || byte(1) != 0 || byte(2) != 0 || byte(3) != 0;
    is_error_ = byte(0) == 2;
    left_ = byte(4) << 24U | byte(5) << 16U | byte(6) << 8U | byte(7);
    head_.clear();
  }
  return !is_broken_;
}

}  // namespace canopy::container
