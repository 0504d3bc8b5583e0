#include "container/ready_signal.h"

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/pool_fixture.h"

namespace canopy::container {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A pool whose containers are to say that they are ready.
class Signals : public PoolTest {
 protected:
  void SetUp() override { begin(true); }
  void begin(bool listens) {
    engine_.listens = listens;
    wire::ContainerSettings settings;
    settings.contract = wire::ContainerSettings::Contract::grpc;
    settings.ready = wire::ContainerSettings::Ready::signal;
    pool_ = make(std::move(settings));
    ticket_ = std::make_shared<Ticket>(core_);
    pool_->take(ticket_);
    core_.poll();
  }
  void end() {
    if (auto news = pool_->look(*ticket_); news && *news) pool_->give((*news)->member, {}, After::good);
    pool_->leave(*ticket_);
    pool_.reset();
    core_.poll();
  }
  ~Signals() override { end(); }

  FakeContainer& container() { return *engine_.containers.back(); }
  bool is_ready() const { return ticket_->grant.has_value(); }

  // What it is answered.
  std::string ask(std::string_view path) {
    const Descriptor caller(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(container().called_port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(caller.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string request = "POST " + std::string(path) +
                                " HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\n"
                                "Content-Length: 5\r\n\r\n" +
                                std::string(5, '\0');
    EXPECT_EQ(write(caller.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
    std::array<char, 4096> got{};
    for (int i = 0; i < 10'000; ++i) {
      core_.poll();
      const ssize_t size = recv(caller.get(), got.data(), got.size(), MSG_DONTWAIT);
      if (size > 0) return {got.data(), static_cast<std::size_t>(size)};
    }
    return "nothing";
  }

  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Ticket> ticket_;
};

TEST_F(Signals, MakeAContainerReady) {
  pass(milliseconds(100));
  EXPECT_FALSE(is_ready()) << "it listens, and has not said so";
  const std::string answer = ask("/worker.Worker/SignalReady");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_TRUE(is_ready());
  EXPECT_TRUE(ask("/worker.Worker/SignalReady").starts_with("HTTP/1.1 200 ")) << "twice does no harm";
}

TEST_F(Signals, AreNotWaitedForForLong) {
  pass(milliseconds(200));
  EXPECT_FALSE(is_ready());
  pass(milliseconds(100));
  EXPECT_TRUE(is_ready()) << "it listens: its word has got lost";
}

TEST_F(Signals, CountOnceItListens) {
  end();
  begin(false);
  ask("/worker.Worker/SignalReady");
  pass(milliseconds(100));
  EXPECT_FALSE(is_ready()) << "nobody listens in it";
  container().listens = true;
  pass(milliseconds(60));
  EXPECT_TRUE(is_ready()) << "it has said so before";
}

TEST_F(Signals, AreThatOneMethod) {
  const std::string answer = ask("/worker.Worker/Start");
  EXPECT_NE(answer.find("grpc-status: 12"), std::string::npos) << answer;
  EXPECT_FALSE(is_ready());
}

}  // namespace
}  // namespace canopy::container
