#include "net/certificate.h"

#include <algorithm>
#include <array>
#include <memory>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/log.h"

namespace canopy::net {
namespace {

template <auto free_it>
struct Free {
  template <class T>
  void operator()(T* one) const {
    free_it(one);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free>>;

constexpr Duration clocks_differ_max = std::chrono::hours(1);
constexpr std::size_t host_size_max = 253;
constexpr std::size_t name_size_max = 64;  // RFC 5280, A.1: ub-common-name.

struct Extended {
  int kind;
  std::string value;  // As OpenSSL's configuration has it.
};

tl::unexpected<Error> cannot(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return fail(Code::internal, std::string(what) + ": " + (reason == nullptr ? "unknown" : reason));
}

std::string text_of(BIO& memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(&memory, &bytes);
  return {bytes, static_cast<std::size_t>(std::max(size, 0L))};
}

Memory memory_of(const std::string& text) {
  return Memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::time_t seconds_of(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

// Nobody guesses it, and no two are the same.
bool set_serial(X509& certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7f;
  const Number number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool extend(X509& certificate, X509& issuer, const std::vector<Extended>& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  return std::ranges::all_of(extensions, [&](const Extended& one) {
    const Extension made(X509V3_EXT_conf_nid(nullptr, &context, one.kind, one.value.c_str()));
    return made && X509_add_ext(&certificate, made.get(), -1) == 1;
  });
}

struct Signer {
  X509* certificate = nullptr;  // Null: the certificate's own.
  EVP_PKEY* key = nullptr;
};

Result<Credentials> make(std::string_view name, const Signer& signer, WallTime now, Duration valid_for,
                         const std::vector<Extended>& extensions) {
  ERR_clear_error();
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  if (!key || !certificate || !set_serial(*certificate)) return cannot("cannot make a key");
  X509& made = *certificate;
  X509& issuer = signer.certificate == nullptr ? made : *signer.certificate;
  X509_NAME* const subject = X509_get_subject_name(&made);
  const bool filled =
      X509_set_version(&made, X509_VERSION_3) == 1 && X509_set_pubkey(&made, key.get()) == 1 &&
      ASN1_TIME_set(X509_getm_notBefore(&made), seconds_of(now - clocks_differ_max)) != nullptr &&
      ASN1_TIME_set(X509_getm_notAfter(&made), seconds_of(now + valid_for)) != nullptr &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(&made, X509_get_subject_name(&issuer)) == 1 && extend(made, issuer, extensions);
  if (!filled) return cannot("cannot make the certificate of \"" + log_safe(name, 80) + '"');
  EVP_PKEY* const signing = signer.key == nullptr ? key.get() : signer.key;
  if (X509_sign(&made, signing, EVP_sha256()) == 0) return cannot("cannot sign a certificate");
  const Memory certificate_text(BIO_new(BIO_s_mem()));
  const Memory key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), &made) != 1 ||
      PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return cannot("cannot write a certificate");
  }
  return Credentials{.certificate = text_of(*certificate_text), .key = text_of(*key_text)};
}

Result<Credentials> make_signed(const Credentials& authority, std::string_view name, WallTime now,
                                Duration valid_for, std::vector<Extended> extensions) {
  ERR_clear_error();
  const Memory certificate_text = memory_of(authority.certificate);
  const Memory key_text = memory_of(authority.key);
  const Certificate certificate(PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr));
  const Key key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (!certificate || !key || X509_check_private_key(certificate.get(), key.get()) != 1 ||
      X509_check_ca(certificate.get()) != 1) {
    ERR_clear_error();
    return fail(Code::invalid, "these are not the certificate and the key of an authority");
  }
  extensions.push_back({NID_basic_constraints, "critical,CA:FALSE"});
  extensions.push_back({NID_key_usage, "critical,digitalSignature"});
  extensions.push_back({NID_subject_key_identifier, "hash"});
  extensions.push_back({NID_authority_key_identifier, "keyid"});
  return make(name, {.certificate = certificate.get(), .key = key.get()}, now, valid_for, extensions);
}

// As a certificate names it.
Result<std::string> host_name(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
      inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) {
    return "IP:" + host;
  }
  const auto fits = [](char c) {
    return ('0' <= c && c <= '9') || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '-' || c == '.';
  };
  // Numbers alone are an address that is none.
  const bool is_name = host.find_first_not_of("0123456789.") != std::string::npos;
  if (is_name && host.size() <= host_size_max && std::ranges::all_of(host, fits)) return "DNS:" + host;
  return fail(Code::invalid, '"' + log_safe(host, 80) +
                                 "\" is no host; write a name such as faas.example, or an "
                                 "address such as 10.0.0.1 or fd00::1");
}

Result<std::string> host_names(const std::vector<std::string>& hosts) {
  if (hosts.empty()) return fail(Code::invalid, "a server's certificate needs a host");
  std::string names;
  for (const std::string& host : hosts) {
    CANOPY_TRY(const std::string one, host_name(host));
    names += (names.empty() ? "" : ",") + one;
  }
  return names;
}

}  // namespace

Result<Credentials> make_authority(std::string_view name, WallTime now, Duration valid_for) {
  return make(name, {}, now, valid_for,
              {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
               {NID_key_usage, "critical,keyCertSign,cRLSign"},
               {NID_subject_key_identifier, "hash"}});
}

Result<Credentials> make_server_certificate(const Credentials& authority,
                                            const std::vector<std::string>& hosts, WallTime now,
                                            Duration valid_for) {
  CANOPY_TRY(const std::string names, host_names(hosts));
  // Clients look at the hosts; the name is for people, and shorter than a host may be.
  const std::string name = hosts.front().size() <= name_size_max ? hosts.front() : "server";
  return make_signed(authority, name, now, valid_for,
                     {{NID_ext_key_usage, "serverAuth"}, {NID_subject_alt_name, names}});
}

Result<Credentials> make_balancer_certificate(const Credentials& authority, std::string_view name,
                                              const std::vector<std::string>& hosts, WallTime now,
                                              Duration valid_for) {
  CANOPY_TRY(const std::string names, host_names(hosts));
  return make_signed(authority, name, now, valid_for,
                     {{NID_ext_key_usage, "serverAuth,clientAuth"}, {NID_subject_alt_name, names}});
}

Result<Credentials> make_client_certificate(const Credentials& authority, std::string_view name, WallTime now,
                                            Duration valid_for) {
  return make_signed(authority, name, now, valid_for, {{NID_ext_key_usage, "clientAuth"}});
}

}  // namespace canopy::net
