#include "net/tls.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "net/http_client.h"
#include "net/loopback.h"
#include "net/server_thread.h"
#include "net/test_certificate.h"

namespace canopy::net {
namespace {

class Tls : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tls_testXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    write_certificate(certificate(), key());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string certificate() const { return folder + "/certificate.pem"; }
  std::string key() const { return folder + "/key.pem"; }
  HttpServerOptions options() const {
    HttpServerOptions result;
    result.certificate_file = certificate();
    result.key_file = key();
    return result;
  }
  HttpClientRequest request(const ServerThread& server, const std::string& host = "127.0.0.1") const {
    HttpClientRequest result;
    result.url = server.url("https", host);
    result.ca_file = certificate();
    return result;
  }

  std::string folder;
};

TEST_F(Tls, ServesWhoTrustsIt) {
  const ServerThread server(echo, options(), 10'000'000);
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    auto ask = request(server, host);
    ask.method = "POST";
    ask.body.assign(3'000'000, 'x');
    const auto response = send(ask);
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->body, "POST /? body=" + ask.body);
  }
}

TEST_F(Tls, IsNotBelievedWithoutTrust) {
  const ServerThread server(echo, options());
  auto ask = request(server);
  ask.ca_file.clear();
  const auto response = send(ask);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::unavailable);
  EXPECT_NE(response.error().message.find("self-signed certificate"), std::string::npos)
      << response.error().message;
  ask.is_verified = false;
  EXPECT_TRUE(send(ask));
}

TEST_F(Tls, IsNotBelievedUnderAnotherName) {
  const ServerThread server(echo, options());
  const auto response = send(request(server, "127.0.0.2"));
  EXPECT_FALSE(response);
}

TEST_F(Tls, SaysWhatIsWrongWithTheTrustedFile) {
  const ServerThread server(echo, options());
  auto ask = request(server);
  ask.ca_file = folder + "/none.pem";
  const auto response = send(ask);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Code::invalid);
  EXPECT_NE(response.error().message.find(ask.ca_file), std::string::npos);
}

TEST_F(Tls, ClosesWhoeverDoesNotSpeakIt) {
  auto with_tls = options();
  with_tls.sweep_period = Duration::zero();
  Loopback loopback(echo, with_tls);
  auto plain = loopback.connect();
  plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(loopback.until_ended(plain));
  auto silent = loopback.connect();
  loopback.settle();
  EXPECT_EQ(loopback.server->connection_count(), 1U);
  loopback.pass(std::chrono::seconds(10));
  EXPECT_TRUE(loopback.until_ended(silent));
  EXPECT_EQ(silent.received, "");
}

TEST_F(Tls, NoticesThatTheClientLeft) {
  std::function<void()> go_on;
  std::atomic<bool> is_gone = false;
  auto fast = options();
  fast.sweep_period = std::chrono::milliseconds(1);
  const ServerThread server(
      [&](HttpExchange& exchange) {
        auto waiting = wait_for(exchange, go_on);
        exchange.on_client_gone([&] {
          is_gone = true;
          go_on();
          is_gone.notify_all();
        });
        return waiting;
      },
      fast);
  auto ask = request(server);
  ask.timeout = std::chrono::milliseconds(300);
  EXPECT_FALSE(send(ask));
  is_gone.wait(false);
  EXPECT_TRUE(is_gone);
}

TEST_F(Tls, RefusesFilesThatAreNone) {
  const auto fails = [](const std::string& certificate_file, const std::string& key_file,
                        const std::string& part) {
    const auto context = make_server_tls(certificate_file, key_file);
    ASSERT_FALSE(context);
    EXPECT_EQ(context.error().code, Code::invalid);
    EXPECT_NE(context.error().message.find(part), std::string::npos) << context.error().message;
  };
  fails(certificate(), "", "both a certificate file and a key file");
  fails("", key(), "both a certificate file and a key file");
  fails(folder + "/none.pem", key(), folder + "/none.pem");
  fails(certificate(), folder + "/none.pem", folder + "/none.pem");
  fails(key(), key(), "cannot read a certificate from " + key());
  std::ofstream(folder + "/garbage.pem") << "garbage";
  fails(folder + "/garbage.pem", key(), "garbage.pem");
  fails(certificate(), folder + "/garbage.pem", "garbage.pem");
  write_certificate(folder + "/other.pem", folder + "/other_key.pem");
  fails(certificate(), folder + "/other_key.pem", "other_key.pem");
  EXPECT_TRUE(make_server_tls(certificate(), key()));
}

}  // namespace
}  // namespace canopy::net
