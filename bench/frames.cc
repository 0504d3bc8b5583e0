// How many messages a second a connection of frames carries between two processes, one core each, with 64 in
// flight: calls of 100 bytes as a gateway sends them (number, deadline, the credit of the other side, all
// Protobuf), each answered with its end and 100 bytes. Beside it, in turns, ZeroMQ's DEALER and ROUTER with
// 100 plain bytes each way. A JSON line each.
//
//   frames SECONDS ROUNDS

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <boost/asio/io_context.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "base/clock.h"
#include "net/frame_channel.h"
#include "wire/node_frames.h"

namespace {

using namespace canopy;  // NOLINT(google-build-using-namespace)
namespace asio = boost::asio;

constexpr std::uint32_t in_flight = 64;
constexpr std::size_t message_bytes = 100;
constexpr std::uint64_t cancel_every = 1000;  // One of so many is cancelled on its way.

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "frames: %s\n", why.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe)
}

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);  // With one core there is no other: all the same.
}

struct Sides {
  int near = -1;
  int far = -1;
};

Sides connected() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    die("no port to listen at");
  Sides sides{.near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .far = -1};
  if (connect(sides.near, reinterpret_cast<sockaddr*>(&address), size) != 0) die("cannot connect");
  sides.far = accept(listener, nullptr, nullptr);
  close(listener);
  const int yes = 1;
  for (const int side : {sides.near, sides.far}) setsockopt(side, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return sides;
}

// A worker that answers at once.
class Answerer final : public net::FrameListener {
 public:
  Answerer(asio::io_context& io, int descriptor) : io_(io), link_(net::make_frame_channel(io, descriptor)) {
    reply_.status = 200;
    link_->listen(*this);
    wire::write_hello({.version = wire::frame_version, .credit = in_flight, .process = 1}, body_);
    link_->send({.kind = wire::FrameKind::hello, .flags = 0, .call = 0}, body_);
  }
  void on_frame(const wire::Frame& frame) override {
    if (frame.head.kind == wire::FrameKind::cancel) return;  // Its end is on its way already.
    const auto call = wire::read_open(frame.body);
    if (!call || !call->left || *call->left <= Duration::zero()) die("no call, or one that is too late");
    wire::write_end(reply_, call->input, 0, body_);
    link_->send({.kind = wire::FrameKind::end, .flags = 0, .call = frame.head.call}, body_);
  }
  void on_closed(const std::string&) override { io_.stop(); }

 private:
  asio::io_context& io_;
  std::unique_ptr<net::FrameLink> link_;
  Reply reply_;
  std::string body_;
};

class Caller final : public net::FrameListener {
 public:
  Caller(asio::io_context& io, int descriptor, Time end)
      : io_(io), link_(net::make_frame_channel(io, descriptor)), end_(end) {
    call_.id = {.high = 1, .low = 2};
    call_.method = "POST";
    call_.path = "/";
    call_.input = input_;
    call_.deadline = end + std::chrono::hours(1);
    link_->listen(*this);
  }
  void on_frame(const wire::Frame& frame) override {
    if (frame.head.kind == wire::FrameKind::hello) {
      const auto hello = wire::read_hello(frame.body);
      if (!hello) die("no hello");
      for (std::uint32_t i = 0; i < hello->credit; ++i) send();
      return;
    }
    Reply reply;
    const auto dropped = wire::read_end(frame.body, reply);
    if (!dropped || reply.output.size() != message_bytes) die("no end of a call");
    ++count_;
    if (count_ % in_flight == 0) now_ = system_clock().now();
    if (now_ < end_) return send();
    io_.stop();
  }
  void on_closed(const std::string& why) override { die(why); }
  std::uint64_t count() const { return count_; }

 private:
  void send() {
    wire::write_open(call_, 1, now_, body_);
    link_->send({.kind = wire::FrameKind::open, .flags = 0, .call = ++number_}, body_);
    if (number_ % cancel_every == 0)
      link_->send({.kind = wire::FrameKind::cancel, .flags = 0, .call = number_}, {});
  }

  asio::io_context& io_;
  std::unique_ptr<net::FrameLink> link_;
  const Time end_;
  Time now_ = system_clock().now();
  const std::string input_ = std::string(message_bytes, 'x');
  Call call_;
  std::string body_;
  std::uint64_t number_ = 0;
  std::uint64_t count_ = 0;
};

// Runs `far` in a process of its own on the first core, which ends with this one.
template <class Work>
pid_t fork_far(const Work& far) {
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(0);
  far();
  _exit(0);
}

double frames_per_second(double seconds) {
  const Sides sides = connected();
  const pid_t child = fork_far([&sides] {
    close(sides.near);
    asio::io_context io{1};
    const Answerer answerer(io, sides.far);
    io.run();
  });
  close(sides.far);
  asio::io_context io{1};
  const Time begin = system_clock().now();
  Caller caller(io, sides.near,
                begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
  io.run();
  const std::chrono::duration<double> took = system_clock().now() - begin;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return static_cast<double>(caller.count()) / took.count();
}

void answer_zmq(const std::string& address) {
  void* const context = zmq_ctx_new();
  void* const router = zmq_socket(context, ZMQ_ROUTER);
  if (zmq_bind(router, address.c_str()) != 0) die("ZeroMQ cannot bind");
  char who[64];
  char bytes[256];
  while (true) {
    const int name = zmq_recv(router, who, sizeof who, 0);
    const int size = zmq_recv(router, bytes, sizeof bytes, 0);
    zmq_send(router, who, static_cast<std::size_t>(name), ZMQ_SNDMORE);
    zmq_send(router, bytes, static_cast<std::size_t>(size), 0);
  }
}

double zmq_per_second(double seconds, int port) {
  const std::string address = "tcp://127.0.0.1:" + std::to_string(port);
  const pid_t child = fork_far([&address] { answer_zmq(address); });
  void* const context = zmq_ctx_new();
  void* const dealer = zmq_socket(context, ZMQ_DEALER);
  const int patience = 10'000;
  const int linger = 0;
  zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &patience, sizeof patience);
  zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
  zmq_connect(dealer, address.c_str());
  const std::string message(message_bytes, 'x');
  char bytes[256];
  const Time begin = system_clock().now();
  const Time end = begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  for (std::uint32_t i = 0; i < in_flight; ++i) zmq_send(dealer, message.data(), message.size(), 0);
  std::uint64_t count = 0;
  for (Time now = begin; now < end;) {
    if (zmq_recv(dealer, bytes, sizeof bytes, 0) < 0) die("ZeroMQ does not answer");
    zmq_send(dealer, message.data(), message.size(), 0);
    if (++count % in_flight == 0) now = system_clock().now();
  }
  const std::chrono::duration<double> took = system_clock().now() - begin;
  zmq_close(dealer);
  zmq_ctx_term(context);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  return static_cast<double>(count) / took.count();
}

int free_port() {
  const Sides sides = connected();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(sides.far, reinterpret_cast<sockaddr*>(&address), &size);
  close(sides.near);
  close(sides.far);
  return ntohs(address.sin_port);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) die("usage: frames SECONDS ROUNDS");
  const double seconds = std::atof(arguments[1]);
  const int rounds = std::atoi(arguments[2]);
  pin(1);
  std::vector<double> frames;
  std::vector<double> zmq;
  for (int round = 0; round < rounds; ++round) {
    frames.push_back(frames_per_second(seconds));
    zmq.push_back(zmq_per_second(seconds, free_port()));
  }
  for (std::vector<double>* const all : {&frames, &zmq}) std::sort(all->begin(), all->end());
  std::printf("{\"frames_per_second\":%.0f,\"zmq_per_second\":%.0f}\n", frames[frames.size() / 2],
              zmq[zmq.size() / 2]);
  return 0;
}
