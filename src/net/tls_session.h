#pragma once
// TLS between two nodes, apart from the connection that carries it: bytes in, bytes out. So a session can be
// tested in memory, and go to the loop of another thread with its connection.
//
// 1.3 alone: both sides are this program, or a Redis of today. The server has a certificate, and who connects
// checks it; who connects has one too where the server asks for it. That workers belong there they show by
// other means besides (balance/proof.h).
//
// Threads: a context any; a session one at a time.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace canopy::net {

class TlsSession;

// Who one is, in two PEM files; "": one does not say.
struct CertificateFiles {
  std::string certificate;
  std::string key;
};

class TlsContext {
 public:
  // From PEM files. With `trusted_file`, who connects has to show a certificate, made for clients, that one
  // in it signed.
  //   invalid  one cannot be read, is none, or they do not belong together
  static Result<std::shared_ptr<TlsContext>> for_server(const CertificateFiles& own,
                                                        const std::string& trusted_file = "");
  // The server has to show a certificate for `host`, a name or an address, that one in the PEM file signed or
  // is; "system": one that this machine trusts. It is shown `own`, if it asks for one and there is one.
  //   invalid  a file cannot be read, or holds none
  static Result<std::shared_ptr<TlsContext>> for_client(const std::string& trusted_file, std::string host,
                                                        const CertificateFiles& own = {});

  std::unique_ptr<TlsSession> make_session() const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsContext(std::string host) : host_(std::move(host)) {}

  std::unique_ptr<ssl_ctx_st, Free> context_;
  const std::string host_;  // "": a server's.
};

class TlsSession {
 public:
  // Takes what came from the other side; what it says goes to `on_plain` in pieces.
  //   invalid  that was no TLS, or a certificate that is not trusted; in OpenSSL's words
  Result<void> take(std::string_view bytes, const std::function<void(std::string_view plain)>& on_plain);

  // Encrypts as much of `plain` as goes into one record; returns how much. 0 before the handshake is over.
  std::size_t encrypt(std::string_view plain);
  // What is to be sent; appended to `out`.
  void take_output(std::string& out);
  // Nothing more is said.
  void close();

  bool is_ready() const;  // The handshake is over.
  // Neither half a record nor anything that was not taken lies here.
  bool is_empty() const;

 private:
  friend class TlsContext;
  struct Free {
    void operator()(ssl_st* session) const;
  };
  explicit TlsSession(ssl_st* session);
  Result<void> shake_hands();

  std::unique_ptr<ssl_st, Free> session_;
  bio_st* from_other_;  // The session's.
  bio_st* to_other_;
};

}  // namespace canopy::net
