#include "net/tls_session.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "net/test_certificate.h"

namespace canopy::net {
namespace {

class TlsSessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tls_sessionXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    write_certificate(certificate(), key());
    auto context = TlsContext::for_server({certificate(), key()});
    ASSERT_TRUE(context);
    server = (*context)->make_session();
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string certificate() const { return folder + "/certificate.pem"; }
  std::string key() const { return folder + "/key.pem"; }

  std::unique_ptr<TlsSession> client_for(const std::string& host, const std::string& trusted) const {
    auto context = TlsContext::for_client(trusted, host);
    EXPECT_TRUE(context);
    return (*context)->make_session();
  }

  // Moves what each has to say, until neither has more; what was wrong first.
  Result<void> talk(TlsSession& client, std::size_t step = 1 << 20) {
    for (int i = 0; i < 100; ++i) {
      std::string to_server;
      std::string to_client;
      client.take_output(to_server);
      server->take_output(to_client);
      if (to_server.empty() && to_client.empty()) return {};
      for (std::size_t at = 0; at < to_server.size(); at += step) {
        CANOPY_TRY_VOID(server->take(std::string_view(to_server).substr(at, step),
                                     [this](std::string_view plain) { at_server += plain; }));
      }
      for (std::size_t at = 0; at < to_client.size(); at += step) {
        CANOPY_TRY_VOID(client.take(std::string_view(to_client).substr(at, step),
                                    [this](std::string_view plain) { at_client += plain; }));
      }
    }
    return fail(Code::internal, "they talk for ever");
  }

  std::string folder;
  std::unique_ptr<TlsSession> server;
  std::string at_server, at_client;
};

TEST_F(TlsSessionTest, CarriesBytesBothWays) {
  const auto client = client_for("localhost", certificate());
  EXPECT_EQ(client->encrypt("too early"), 0U);
  ASSERT_TRUE(talk(*client, 7));  // In small pieces.
  EXPECT_TRUE(client->is_ready());
  const std::string large(100'000, 'x');
  for (std::size_t at = 0; at < large.size();) {
    const std::size_t size = client->encrypt(std::string_view(large).substr(at));
    ASSERT_GT(size, 0U);
    at += size;
  }
  EXPECT_GT(server->encrypt("and back"), 0U);
  ASSERT_TRUE(talk(*client));
  EXPECT_EQ(at_server, large);
  EXPECT_EQ(at_client, "and back");
  EXPECT_TRUE(server->is_empty());
}

TEST_F(TlsSessionTest, AnAddressIsCheckedAsOne) {
  EXPECT_TRUE(talk(*client_for("127.0.0.1", certificate())));
}

TEST_F(TlsSessionTest, ACertificateForAnotherIsNotTrusted) {
  for (const std::string host : {"gateway.example", "127.0.0.2"}) {
    server = (*TlsContext::for_server({certificate(), key()}))->make_session();
    const auto client = client_for(host, certificate());
    const auto talked = talk(*client);
    ASSERT_FALSE(talked) << host;
    EXPECT_NE(talked.error().message.find("is not trusted"), std::string::npos) << talked.error().message;
    EXPECT_FALSE(client->is_ready());
  }
}

TEST_F(TlsSessionTest, ACertificateThatNobodyTrustsIsRefused) {
  write_certificate(folder + "/other.pem", folder + "/other-key.pem");
  const auto client = client_for("localhost", folder + "/other.pem");
  EXPECT_FALSE(talk(*client));
}

TEST_F(TlsSessionTest, WhatIsNoTlsIsRefused) {
  const auto wrong = server->take("frames without it", [](std::string_view) { FAIL(); });
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::invalid);
  const auto client = client_for("localhost", certificate());
  EXPECT_FALSE(client->take("HTTP/1.1 400 Bad Request\r\n\r\n", [](std::string_view) { FAIL(); }));
}

TEST_F(TlsSessionTest, WhatWasChangedOnTheWayIsRefused) {
  const auto client = client_for("localhost", certificate());
  ASSERT_TRUE(talk(*client));
  ASSERT_GT(client->encrypt("the truth"), 0U);
  std::string bytes;
  client->take_output(bytes);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  EXPECT_FALSE(server->take(bytes, [](std::string_view) { FAIL(); }));
}

TEST_F(TlsSessionTest, FilesThatAreNoneAreNamed) {
  std::ofstream(folder + "/junk.pem") << "no certificate";
  for (const auto& made : {TlsContext::for_server({folder + "/missing.pem", key()}),
                           TlsContext::for_server({certificate(), folder + "/junk.pem"}),
                           TlsContext::for_client(folder + "/junk.pem", "localhost")}) {
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::invalid);
    EXPECT_NE(made.error().message.find(".pem"), std::string::npos);
  }
  const auto missing = TlsContext::for_server({folder + "/missing.pem", key()});
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos) << missing.error().message;
}

}  // namespace
}  // namespace canopy::net
