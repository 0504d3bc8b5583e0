#include "net/tls_session.h"

#include <algorithm>
#include <array>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/check.h"

namespace canopy::net {
namespace {

constexpr std::size_t record_bytes_max = 16 << 10;
constexpr std::size_t piece_bytes = 16 << 10;

// What OpenSSL says was wrong last, and nothing of it stays for the next one that asks.
std::string last_reason() {
  const unsigned long first = ERR_peek_error();  // What the system said comes before what was made of it.
  if (ERR_GET_LIB(first) == ERR_LIB_SYS) {
    ERR_clear_error();
    return std::generic_category().message(ERR_GET_REASON(first));
  }
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown" : reason;
}

tl::unexpected<Error> cannot(const std::string& what) {
  return fail(Code::invalid, what + ": " + last_reason());
}

// Whether the other side has said itself what it does not like.
bool is_alert() { return ERR_GET_REASON(ERR_peek_last_error()) >= SSL_AD_REASON_OFFSET; }

Result<void> take_own(SSL_CTX& context, const CertificateFiles& own) {
  if (SSL_CTX_use_certificate_chain_file(&context, own.certificate.c_str()) != 1) {
    return cannot("cannot read a certificate from " + own.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(&context, own.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(&context) != 1) {
    return cannot("cannot use the private key in " + own.key + " with the certificate in " + own.certificate);
  }
  return {};
}

tl::unexpected<Error> cannot_trust(const std::string& file) {
  return cannot("cannot read certificates to trust from " + file);
}

bool is_address(const std::string& host) {
  return host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void TlsSession::Free::operator()(ssl_st* session) const { SSL_free(session); }

Result<std::shared_ptr<TlsContext>> TlsContext::for_server(const CertificateFiles& own,
                                                           const std::string& trusted_file) {
  const std::shared_ptr<TlsContext> made(new TlsContext(""));
  made->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = made->context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_num_tickets(context, 0);  // Nobody comes back with one.
  CANOPY_TRY_VOID(take_own(*context, own));
  if (trusted_file.empty()) return made;
  if (SSL_CTX_load_verify_file(context, trusted_file.c_str()) != 1) return cannot_trust(trusted_file);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return made;
}

Result<std::shared_ptr<TlsContext>> TlsContext::for_client(const std::string& trusted_file, std::string host,
                                                           const CertificateFiles& own) {
  const std::shared_ptr<TlsContext> made(new TlsContext(std::move(host)));
  made->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = made->context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const bool trusts = trusted_file == "system" ? SSL_CTX_set_default_verify_paths(context) == 1
                                               : SSL_CTX_load_verify_file(context, trusted_file.c_str()) == 1;
  if (!trusts) return cannot_trust(trusted_file);
  if (!own.certificate.empty()) CANOPY_TRY_VOID(take_own(*context, own));
  return made;
}

std::unique_ptr<TlsSession> TlsContext::make_session() const {
  SSL* const session = SSL_new(context_.get());
  CANOPY_CHECK(session != nullptr);
  if (host_.empty()) {
    SSL_set_accept_state(session);
  } else {
    SSL_set_connect_state(session);
    if (is_address(host_)) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host_.c_str());
    } else {
      SSL_set1_host(session, host_.c_str());
      SSL_set_tlsext_host_name(session, host_.c_str());
    }
  }
  std::unique_ptr<TlsSession> made(new TlsSession(session));
  // A client speaks first; a server has nothing to say before it was spoken to.
  static_cast<void>(made->shake_hands());
  return made;
}

TlsSession::TlsSession(ssl_st* session)
    : session_(session), from_other_(BIO_new(BIO_s_mem())), to_other_(BIO_new(BIO_s_mem())) {
  SSL_set_bio(session, from_other_, to_other_);
}

bool TlsSession::is_ready() const { return SSL_is_init_finished(session_.get()) == 1; }

bool TlsSession::is_empty() const {
  return BIO_pending(from_other_) == 0 && BIO_pending(to_other_) == 0 && SSL_has_pending(session_.get()) == 0;
}

Result<void> TlsSession::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(session_.get());
  if (result == 1) return {};
  const int error = SSL_get_error(session_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return {};
  const long verdict = SSL_get_verify_result(session_.get());
  if (verdict == X509_V_OK) {
    return cannot(is_alert() ? "the other side ends TLS"
                             : "the other side speaks no TLS that is understood here");
  }
  ERR_clear_error();
  return fail(Code::invalid, std::string("the other side's certificate is not trusted: ") +
                                 X509_verify_cert_error_string(verdict));
}

Result<void> TlsSession::take(std::string_view bytes,
                              const std::function<void(std::string_view plain)>& on_plain) {
  CANOPY_CHECK(BIO_write(from_other_, bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size()));
  if (!is_ready()) {
    CANOPY_TRY_VOID(shake_hands());
    if (!is_ready()) return {};
  }
  std::array<char, piece_bytes> piece{};
  for (;;) {
    ERR_clear_error();
    const int size = SSL_read(session_.get(), piece.data(), static_cast<int>(piece.size()));
    if (size > 0) {
      on_plain({piece.data(), static_cast<std::size_t>(size)});
      continue;
    }
    const int error = SSL_get_error(session_.get(), size);
    // Its end is seen where the connection ends.
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_ZERO_RETURN)
      return {};
    return cannot(is_alert() ? "the other side ends TLS" : "what the other side sends is no TLS");
  }
}

std::size_t TlsSession::encrypt(std::string_view plain) {
  if (!is_ready() || plain.empty()) return 0;
  ERR_clear_error();
  const std::size_t size = std::min(plain.size(), record_bytes_max);
  const int written = SSL_write(session_.get(), plain.data(), static_cast<int>(size));
  return written > 0 ? static_cast<std::size_t>(written) : 0;
}

void TlsSession::take_output(std::string& out) {
  const auto waiting = static_cast<std::size_t>(BIO_pending(to_other_));
  const std::size_t before = out.size();
  out.resize(before + waiting);
  const int size = waiting == 0 ? 0 : BIO_read(to_other_, out.data() + before, static_cast<int>(waiting));
  out.resize(before + static_cast<std::size_t>(std::max(size, 0)));
}

void TlsSession::close() {
  if (!is_ready()) return;
  ERR_clear_error();
  SSL_shutdown(session_.get());
  ERR_clear_error();
}

}  // namespace canopy::net
