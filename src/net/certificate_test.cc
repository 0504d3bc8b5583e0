#include "net/certificate.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "net/tls_session.h"

namespace canopy::net {
namespace {

constexpr Duration a_day = std::chrono::hours(24);

class CertificateTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "certificateXXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
    ours = make("ours");
    const auto server = make_server_certificate(ours, {"127.0.0.1", "faas.example", "fd00::1"}, now(), a_day);
    ASSERT_TRUE(server) << server.error().message;
    keep("server", *server);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  static WallTime now() { return system_clock().wall_now(); }

  Credentials make(const std::string& name) {
    auto made = make_authority("Test", now(), a_day);
    EXPECT_TRUE(made) << made.error().message;
    keep(name, *made);
    return *std::move(made);
  }
  CertificateFiles keep(const std::string& name, const Credentials& one) const {
    std::ofstream(folder + "/" + name + ".pem") << one.certificate;
    std::ofstream(folder + "/" + name + ".key") << one.key;
    return files(name);
  }
  CertificateFiles files(const std::string& name) const {
    return {.certificate = folder + "/" + name + ".pem", .key = folder + "/" + name + ".key"};
  }
  CertificateFiles worker_of(const Credentials& authority, Duration valid_for = a_day) const {
    const auto made = make_client_certificate(authority, "one", now(), valid_for);
    EXPECT_TRUE(made) << made.error().message;
    return keep("one", *made);
  }

  // What comes of a handshake with a server that asks for a certificate: "" where both are content.
  std::string meet(const CertificateFiles& client_files, const std::string& host = "127.0.0.1") const {
    const auto server_context = TlsContext::for_server(files("server"), folder + "/ours.pem");
    const auto client_context = TlsContext::for_client(folder + "/ours.pem", host, client_files);
    if (!server_context) return server_context.error().message;
    if (!client_context) return client_context.error().message;
    const auto server = (*server_context)->make_session();
    const auto client = (*client_context)->make_session();
    const auto nothing = [](std::string_view) {};
    for (int i = 0; i < 20; ++i) {
      std::string to_server;
      std::string to_client;
      client->take_output(to_server);
      server->take_output(to_client);
      if (const auto taken = server->take(to_server, nothing); !taken)
        return "server: " + taken.error().message;
      if (const auto taken = client->take(to_client, nothing); !taken)
        return "client: " + taken.error().message;
    }
    return server->is_ready() && client->is_ready() ? "" : "not ready";
  }

  std::string folder;
  Credentials ours;
};

TEST_F(CertificateTest, OfOneAuthorityTrustEachOther) {
  EXPECT_EQ(meet(worker_of(ours)), "");
  EXPECT_EQ(meet(worker_of(ours), "faas.example"), "");
  EXPECT_EQ(meet(worker_of(ours), "fd00::1"), "");
  EXPECT_NE(meet(worker_of(ours), "10.0.0.1").find("not trusted"), std::string::npos);
}

TEST_F(CertificateTest, OfAHostWithALongNameIsGood) {
  const std::string host = std::string(60, 'a') + "." + std::string(60, 'b') + ".example";
  const auto server = make_server_certificate(ours, {host}, now(), a_day);
  ASSERT_TRUE(server) << server.error().message;
  keep("server", *server);
  EXPECT_EQ(meet(worker_of(ours), host), "");
}

TEST_F(CertificateTest, ABalancersIsGoodOnBothSides) {
  const auto made = make_balancer_certificate(ours, "leaf", {"127.0.0.1"}, now(), a_day);
  ASSERT_TRUE(made) << made.error().message;
  const CertificateFiles leaf = keep("leaf", *made);
  EXPECT_EQ(meet(leaf), "");
  keep("server", *made);
  EXPECT_EQ(meet(worker_of(ours)), "");
  EXPECT_EQ(meet(leaf), "");
  EXPECT_EQ(make_balancer_certificate(ours, "leaf", {}, now(), a_day).error().code, Code::invalid);
}

TEST_F(CertificateTest, NobodyElseIsTrusted) {
  EXPECT_NE(meet({}).find("peer did not return a certificate"), std::string::npos) << meet({});
  const Credentials others = make("others");
  EXPECT_NE(meet(worker_of(others)).find("server: the other side's certificate is not trusted"),
            std::string::npos);
  // One of a server's is not one of a worker's, and neither signs others.
  EXPECT_NE(meet(files("server")).find("server: the other side's certificate is not trusted"),
            std::string::npos);
  std::ifstream key(folder + "/server.key");
  std::ifstream certificate(folder + "/server.pem");
  const Credentials server{.certificate = {std::istreambuf_iterator<char>(certificate), {}},
                           .key = {std::istreambuf_iterator<char>(key), {}}};
  EXPECT_EQ(make_client_certificate(server, "one", now(), a_day).error().code, Code::invalid);
  // One whose time is over.
  EXPECT_NE(meet(worker_of(ours, std::chrono::minutes(-30))).find("has expired"), std::string::npos);
}

TEST_F(CertificateTest, WhatIsNoHostOrNoAuthorityIsRefused) {
  for (const std::string host :
       {"", "a b", "a,DNS:b", "email:x", "faas.example\n", "*", "10.0.0", "999.0.0.1", "fd00::zz", ":::"}) {
    EXPECT_EQ(make_server_certificate(ours, {host}, now(), a_day).error().code, Code::invalid) << host;
  }
  EXPECT_EQ(make_server_certificate(ours, {}, now(), a_day).error().code, Code::invalid);
  const Credentials mixed{.certificate = ours.certificate, .key = make("others").key};
  EXPECT_EQ(make_client_certificate(mixed, "one", now(), a_day).error().code, Code::invalid);
  EXPECT_EQ(make_client_certificate({}, "one", now(), a_day).error().code, Code::invalid);
}

}  // namespace
}  // namespace canopy::net
