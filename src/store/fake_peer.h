#pragma once
// For tests: what answers on a port and is no Redis, or one that is slow where a test wants it to be.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/descriptor.h"
#include "store/redis_address.h"

namespace canopy::store {

class FakePeer {
 public:
  class Line {
   public:
    explicit Line(Descriptor socket) : socket_(std::move(socket)) {}
    // Appends what comes; false at its end, or where nothing comes for long.
    bool receive(std::string& all) const {
      char piece[4096];
      pollfd waiting{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 60'000) <= 0) return false;
      const ssize_t size = ::recv(socket_.get(), piece, sizeof piece, 0);
      if (size <= 0) return false;
      all.append(piece, static_cast<std::size_t>(size));
      return true;
    }
    void send(std::string_view bytes) const {
      CANOPY_CHECK(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= -1);
    }

   private:
    Descriptor socket_;
  };
  // Runs on a thread for each connection, which closes when it returns.
  using Talk = std::function<void(const Line& line)>;

  explicit FakePeer(Talk talk) : talk_(std::move(talk)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    CANOPY_CHECK(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
    CANOPY_CHECK(::listen(socket_.get(), 16) == 0);
    CANOPY_CHECK(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    address_.port = ntohs(at.sin_port);
    acceptor_ = std::jthread([this] { accept_all(); });
  }
  ~FakePeer() {
    ::shutdown(socket_.get(), SHUT_RDWR);
    acceptor_.join();
  }
  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;

  const RedisAddress& address() const { return address_; }

 private:
  void accept_all() {
    std::vector<std::jthread> talks;
    for (;;) {
      Descriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!socket) return;
      talks.emplace_back([this, line = Line(std::move(socket))] { talk_(line); });
    }
  }

  const Talk talk_;
  const Descriptor socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  RedisAddress address_;
  std::jthread acceptor_;
};

}  // namespace canopy::store
