#include "net/frame_port.h"

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "net/test_certificate.h"

namespace canopy::net {
namespace {

using wire::FrameKind;

struct Heard final : FrameListener {
  void on_frame(const wire::Frame& frame) override {
    bodies.emplace_back(frame.body);
    if (then) then();
  }
  void on_closed(const std::string& why) override { closed = why; }

  std::vector<std::string> bodies;
  std::optional<std::string> closed;
  std::function<void()> then;
};

// Plain, and in TLS.
class FramePortTest : public testing::TestWithParam<bool> {
 protected:
  FramePortTest() {
    std::shared_ptr<const TlsContext> tls;
    if (GetParam()) {
      std::string name = testing::TempDir() + "frame_portXXXXXX";
      folder = ::mkdtemp(name.data());
      write_certificate(folder + "/certificate.pem", folder + "/key.pem");
      tls = *TlsContext::for_server({folder + "/certificate.pem", folder + "/key.pem"});
      client_tls = *TlsContext::for_client(folder + "/certificate.pem", "127.0.0.1");
    }
    auto opened = open_frame_port(io, "127.0.0.1", 0, 1000, tls,
                                  [this](std::unique_ptr<FrameLink> link, const std::string& from) {
                                    server = std::move(link);
                                    address = from;
                                    server->listen(at_server);
                                  });
    EXPECT_TRUE(opened);
    port = *std::move(opened);
  }

  ~FramePortTest() override {
    if (!folder.empty()) std::filesystem::remove_all(folder);
  }

  void dial() {
    asio::co_spawn(io, connect(), asio::detached);
    run_until([this] { return dialed.has_value() && (server || !*dialed); });
  }
  Task<void> connect() {
    const std::uint16_t chosen = to != 0 ? to : port->port();
    auto made = co_await dial_frames(io, pool, "127.0.0.1", chosen, std::chrono::seconds(30), client_tls);
    dialed.emplace(std::move(made));
  }
  bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 100'000 && !done(); ++i) {
      io.restart();
      io.run_one_for(std::chrono::milliseconds(10));
    }
    return done();
  }

  std::string folder;
  std::shared_ptr<const TlsContext> client_tls;
  asio::io_context io{1};
  BlockingPool pool{1, 10};
  std::uint16_t to = 0;
  Heard at_server, at_client, elsewhere;
  std::unique_ptr<FramePort> port;
  std::unique_ptr<FrameLink> server;
  std::string address;
  std::optional<Result<std::unique_ptr<FrameLink>>> dialed;
};

TEST_P(FramePortTest, CarriesFramesBothWays) {
  dial();
  ASSERT_TRUE(dialed && *dialed);
  EXPECT_TRUE(address.starts_with("127.0.0.1:"));
  FrameLink& client = ***dialed;
  client.listen(at_client);
  client.send({.kind = FrameKind::join}, "here I am");
  EXPECT_TRUE(run_until([this] { return at_server.bodies.size() == 1; }));
  server->send({.kind = FrameKind::welcome}, "welcome");
  EXPECT_TRUE(run_until([this] { return at_client.bodies.size() == 1; }));
}

TEST_P(FramePortTest, ALargerFrameThanExpectedEndsTheConnection) {
  dial();
  FrameLink& client = ***dialed;
  client.listen(at_client);
  client.send({.kind = FrameKind::join}, std::string(1001, 'x'));
  EXPECT_TRUE(run_until([this] { return at_server.closed.has_value(); }));
  EXPECT_TRUE(at_server.bodies.empty());
}

TEST_P(FramePortTest, AConnectionIsTakenUpElsewhere) {
  dial();
  FrameLink& client = ***dialed;
  client.listen(at_client);
  LinkMaker maker;
  at_server.then = [&] {
    auto released = server->release();
    ASSERT_TRUE(released);
    maker = *std::move(released);
  };
  client.send({.kind = FrameKind::line}, "a line");
  EXPECT_TRUE(run_until([&] { return maker != nullptr; }));
  server.reset();
  const auto moved = maker(io);
  moved->listen(elsewhere);
  client.send({.kind = FrameKind::hello}, std::string(5000, 'x'));  // Past what strangers may say.
  EXPECT_TRUE(run_until([this] { return elsewhere.bodies.size() == 1; }));
  moved->send({.kind = FrameKind::ping}, "");
  EXPECT_TRUE(run_until([this] { return at_client.bodies.size() == 1; }));
  EXPECT_EQ(at_server.bodies.size(), 1U);
  EXPECT_FALSE(at_server.closed);
}

TEST_P(FramePortTest, WhoDoesNotWaitForTheAnswerIsNotTakenUp) {
  dial();
  FrameLink& client = ***dialed;
  client.listen(at_client);
  std::optional<Error> refused;
  at_server.then = [&] {
    const auto released = server->release();
    if (!released) refused = released.error();
    at_server.then = nullptr;
  };
  client.send({.kind = FrameKind::line}, "a line");
  client.send({.kind = FrameKind::hello}, "and on");
  EXPECT_TRUE(run_until([this] { return at_server.bodies.size() == 2; }));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::invalid);
}

TEST_P(FramePortTest, WhereNobodyListensNobodyIsReached) {
  to = port->port();
  port.reset();
  dial();
  ASSERT_TRUE(dialed);
  ASSERT_FALSE(*dialed);
  EXPECT_EQ(dialed->error().code, Code::unavailable);
}

TEST_P(FramePortTest, APortIsTakenOnce) {
  const auto other = open_frame_port(io, "127.0.0.1", port->port(), 1000, nullptr, nullptr);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("the address is in use"), std::string::npos);
  const auto not_ours = open_frame_port(io, "192.0.2.1", 0, 1000, nullptr, nullptr);
  ASSERT_FALSE(not_ours);
  EXPECT_NE(not_ours.error().message.find("this machine has no such address"), std::string::npos)
      << not_ours.error().message;
}

TEST_P(FramePortTest, LargeFramesComeWhole) {
  dial();
  FrameLink& client = ***dialed;
  client.listen(at_client);
  client.send({.kind = FrameKind::join}, "here I am");
  EXPECT_TRUE(run_until([this] { return at_server.bodies.size() == 1; }));
  std::string large;
  for (int i = 0; large.size() < 3'000'000; ++i) large += std::to_string(i);
  server->send({.kind = FrameKind::piece}, large);
  server->send({.kind = FrameKind::ping}, "small");
  EXPECT_TRUE(run_until([this] { return at_client.bodies.size() == 2; }));
  EXPECT_TRUE(at_client.bodies[0] == large);
  EXPECT_EQ(server->unsent_bytes(), 0U);
}

TEST_P(FramePortTest, WhoSpeaksOtherwiseIsNotUnderstood) {
  if (client_tls) {
    client_tls = nullptr;
  } else {
    client_tls = *TlsContext::for_client("system", "127.0.0.1");
  }
  dial();
  FrameLink& client = ***dialed;
  client.listen(at_client);
  client.send({.kind = FrameKind::join}, "here I am");
  EXPECT_TRUE(run_until([this] { return at_server.closed.has_value(); }));
  EXPECT_TRUE(at_server.bodies.empty());
}

INSTANTIATE_TEST_SUITE_P(Plain, FramePortTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Tls, FramePortTest, testing::Values(true));

}  // namespace
}  // namespace canopy::net
