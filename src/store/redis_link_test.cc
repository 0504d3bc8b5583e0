// What a server that does not get on with its Redis says at its start: what is wrong, and what to do.

#include "store/redis_link.h"

#include <fstream>

#include <gtest/gtest.h>

#include "net/certificate.h"
#include "store/fake_peer.h"
#include "store/redis_fixture.h"

namespace canopy::store {
namespace {

testing::AssertionResult says(const RedisAddress& address, const std::vector<std::string>& words) {
  RedisLink link(address);
  const auto connected = link.connect();
  if (connected) return testing::AssertionFailure() << "it is connected";
  const Error& error = connected.error();
  // A client is never told that it is its own fault.
  if (error.code != Code::unavailable) return testing::AssertionFailure() << name(error.code);
  for (const std::string& word : words) {
    if (error.message.find(word) == std::string::npos) return testing::AssertionFailure() << error.message;
  }
  return testing::AssertionSuccess();
}

TEST(RedisLink, SaysWhatToDoWhereNobodyListens) {
  RedisServer server;
  server.kill();
  EXPECT_TRUE(says(server.address(), {to_text(server.address()), "refused", "Start it", "--store"}));
}

TEST(RedisLink, SaysWhatAnswersWhereItIsNoRedis) {
  for (const std::string words : {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-Other\r\n", "\xff\x01\x02"}) {
    const FakePeer peer([&words](const FakePeer::Line& line) {
      std::string asked;
      if (line.receive(asked)) line.send(words);
      while (line.receive(asked)) {
      }
    });
    EXPECT_TRUE(says(peer.address(), {"no Redis", to_text(peer.address()), "host and port"}));
  }
  const FakePeer http([](const FakePeer::Line& line) { line.send("HTTP/1.1 400 Bad Request\r\n"); });
  EXPECT_TRUE(says(http.address(), {"HTTP/1.1 400 Bad Request"}));
  const FakePeer silent([](const FakePeer::Line&) {});
  EXPECT_TRUE(says(silent.address(), {"no Redis", "speaks TLS"}));
}

TEST(RedisLink, SaysWhatIsWrongWithUserPasswordAndDatabase) {
  RedisServer server;
  RedisAddress address = server.address();
  address.password = "word";
  EXPECT_TRUE(says(address, {"asks for no password", "leave it out"}));
  address.user = "nobody";
  EXPECT_TRUE(says(address, {"WRONGPASS", "redis://USER:PASSWORD@host"}));
  server.run({"CONFIG", "SET", "requirepass", "word"});
  EXPECT_TRUE(says(server.address(), {"NOAUTH", "redis://:PASSWORD@host"}));
  address.user = "";
  address.password = "another";
  EXPECT_TRUE(says(address, {"WRONGPASS"}));
  address.password = "word";
  address.database = 99;
  EXPECT_TRUE(says(address, {"no database of that number"}));
}

// A Redis that listens in TLS too, and an authority that signed its certificate and one of ours.
class RedisInTls : public testing::Test {
 protected:
  RedisInTls() {
    const WallTime now = system_clock().wall_now();
    const auto authority = net::make_authority("Test", now, std::chrono::hours(1));
    write("ca", *authority);
    write("redis", *net::make_server_certificate(*authority, {"127.0.0.1"}, now, std::chrono::hours(1)));
    write("ours", *net::make_client_certificate(*authority, "canopy", now, std::chrono::hours(1)));
    write("another", *net::make_authority("Another", now, std::chrono::hours(1)));
    address.port = RedisServer::free_port();
    EXPECT_EQ(
        server
            .run({"CONFIG", "SET", "tls-cert-file", path("redis.pem"), "tls-key-file", path("redis.key"),
                  "tls-ca-cert-file", path("ca.pem"), "tls-port", std::to_string(address.port)})
            .text,
        "OK");
  }
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  void write(const std::string& name, const net::Credentials& one) const {
    std::ofstream(path(name + ".pem")) << one.certificate;
    std::ofstream(path(name + ".key")) << one.key;
  }
  void trust(const std::string& file, const net::CertificateFiles& own = {}) {
    const auto tls = net::TlsContext::for_client(path(file), "127.0.0.1", own);
    ASSERT_TRUE(tls) << tls.error().message;
    address.tls = *tls;
  }

  TempFolder folder = quick_folder();
  RedisServer server;
  RedisAddress address = server.address();
};

TEST_F(RedisInTls, IsSpokenWith) {
  trust("ca.pem", {.certificate = path("ours.pem"), .key = path("ours.key")});
  RedisLink link(address);
  const std::string large(3 * MiB, 'x');
  ASSERT_TRUE(link.run(RedisCommand{"SET", "large", large}));
  const auto got = link.run(RedisCommand{"GET", "large"});
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->text, large);
  EXPECT_TRUE(to_text(address).starts_with("rediss://127.0.0.1:"));
}

TEST_F(RedisInTls, SaysWhatIsWrong) {
  EXPECT_TRUE(says(address, {"no Redis, or one that speaks TLS", "write rediss://"}));  // Without.
  trust("another.pem");
  EXPECT_TRUE(says(address, {"cannot speak with rediss://", "certificate is not trusted", "--store-ca"}));
  trust("ca.pem");  // And shows none of our own.
  EXPECT_TRUE(says(address, {"in TLS: the other side ends TLS", "certificate required", "--store-cert"}));
  trust("ca.pem", {.certificate = path("ours.pem"), .key = path("ours.key")});
  address.port = server.address().port;
  EXPECT_TRUE(says(address, {"cannot speak with rediss://", " in TLS: "}));
}

TEST(RedisLink, SaysWhatAUserLacks) {
  RedisServer server;
  server.run({"ACL", "SETUSER", "reader", "on", ">word", "~*", "+ping"});
  RedisAddress address = server.address();
  address.user = "reader";
  address.password = "word";
  EXPECT_TRUE(says(address, {"NOPERM", "ACL SETUSER"}));
}

}  // namespace
}  // namespace canopy::store
