#pragma once
// For tests: a redis-server of one's own, on a free port, with its append-only file on. It ends with the
// test.

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/child.h"
#include "store/redis_connection.h"
#include "store/sample.h"
#include "store/temp_folder.h"

namespace canopy::store {

class RedisServer {
 public:
  explicit RedisServer(std::string fsync = "everysec", std::vector<std::string> more = {},
                       TempFolder folder = quick_folder())
      : fsync_(std::move(fsync)), more_(std::move(more)), folder_(std::move(folder)) {
    start();
  }
  ~RedisServer() { kill(); }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  const RedisAddress& address() const { return address_; }
  // Nothing lies in it.
  const RedisAddress& fresh() {
    CANOPY_CHECK(run({"FLUSHALL"}).text == "OK");
    return address_;
  }
  RedisReply run(RedisCommand command) {
    auto connection = RedisConnection::open(address_, patience);
    CANOPY_CHECK(connection.has_value());
    auto reply = (*connection)->run(std::move(command), patience);
    CANOPY_CHECK(reply.has_value());
    return *std::move(reply);
  }

  // As kill -9 does it.
  void kill() {
    if (id_ <= 0) return;
    kill_child(id_);
    id_ = 0;
  }
  void signal(int number) const { ::kill(id_, number); }
  // On the same port, with what its file holds.
  void start() {
    for (int time = 0; time < 20; ++time) {
      address_.port = port_ == 0 ? free_port() : port_;
      spawn();
      if (is_there()) {
        port_ = address_.port;
        return;
      }
      kill();
    }
    CANOPY_CHECK(false && "redis-server does not start; tools/deps installs it");
  }

  static std::uint16_t free_port() {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    CANOPY_CHECK(::bind(socket.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
    CANOPY_CHECK(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
    return ntohs(at.sin_port);
  }

 private:
  static constexpr Duration patience = std::chrono::seconds(20);

  void spawn() {
    std::vector<std::string> words{"redis-server",
                                   "--port",
                                   std::to_string(address_.port),
                                   "--bind",
                                   "127.0.0.1",
                                   "--dir",
                                   folder_.path().string(),
                                   "--appendonly",
                                   "yes",
                                   "--appendfsync",
                                   fsync_,
                                   "--save",
                                   "",
                                   "--daemonize",
                                   "no",
                                   "--logfile",
                                   "redis.log"};
    words.insert(words.end(), more_.begin(), more_.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    id_ = ::fork();
    CANOPY_CHECK(id_ >= 0);
    if (id_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  // Waits until it answers; false where it has ended.
  bool is_there() {
    const Time until = system_clock().now() + patience;
    while (system_clock().now() < until) {
      auto connection = RedisConnection::open(address_, std::chrono::seconds(1));
      if (connection && (*connection)->run({"PING"}, std::chrono::seconds(1))) return true;
      if (wait_for_child(id_, std::chrono::milliseconds(10))) {
        id_ = 0;
        return false;
      }
    }
    return false;
  }

  const std::string fsync_;
  const std::vector<std::string> more_;
  const TempFolder folder_;
  RedisAddress address_;
  std::uint16_t port_ = 0;  // Once it has one.
  pid_t id_ = 0;
};

// Asks until it is so, though not for ever: what happens in another process, or in a thread of the store's,
// cannot be waited for otherwise.
template <class Question>
bool comes_true(const Question& question) {
  const Time until = system_clock().now() + std::chrono::seconds(60);
  while (!question()) {
    if (system_clock().now() > until) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

// One for all tests of the process that need nothing but an empty one.
inline RedisServer& shared_redis() {
  static RedisServer server;
  return server;
}

}  // namespace canopy::store
