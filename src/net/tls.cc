#include "net/tls.h"

#include <cstring>
#include <string_view>

#include <openssl/ssl.h>

namespace canopy::net {
namespace {

namespace ssl = boost::asio::ssl;

constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL";

// We speak HTTP/2, or else HTTP/1.1; a client that offers protocols without them is told so in the handshake.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  for (const std::string_view ours : {"h2", "http/1.1"}) {
    for (unsigned at = 0; at < offered_size && at + 1 + offered[at] <= offered_size; at += 1U + offered[at]) {
      if (offered[at] != ours.size() || std::memcmp(offered + at + 1, ours.data(), ours.size()) != 0)
        continue;
      *chosen = offered + at + 1;
      *chosen_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

tl::unexpected<Error> cannot(const std::string& what, const boost::system::error_code& error) {
  return fail(Code::invalid, what + ": " + error.message());
}

}  // namespace

Result<std::unique_ptr<ssl::context>> make_server_tls(const std::string& certificate_file,
                                                      const std::string& key_file) {
  if (certificate_file.empty() || key_file.empty()) {
    return fail(Code::invalid, "TLS needs both a certificate file and a key file; only one is given");
  }
  auto context = std::make_unique<ssl::context>(ssl::context::tls_server);
  auto* handle = context->native_handle();
  boost::system::error_code error;
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(handle, SSL_MODE_RELEASE_BUFFERS);  // An idle connection holds no record buffers.
  SSL_CTX_set_cipher_list(handle, ciphers);
  SSL_CTX_set_alpn_select_cb(handle, &choose_protocol, nullptr);
  if (context->use_certificate_chain_file(certificate_file, error); error) {
    return cannot("cannot read a certificate from " + certificate_file, error);
  }
  if (context->use_private_key_file(key_file, ssl::context::pem, error); error) {
    return cannot(
        "cannot use the private key in " + key_file + " with the certificate in " + certificate_file, error);
  }
  if (SSL_CTX_check_private_key(handle) != 1) {
    return fail(Code::invalid, "the private key in " + key_file + " does not belong to the certificate in " +
                                   certificate_file);
  }
  return context;
}

}  // namespace canopy::net
