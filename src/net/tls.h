#pragma once
// The server's side of TLS: 1.2 and 1.3, forward secret ciphers only, HTTP/2 or HTTP/1.1 by ALPN.

#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "base/error.h"

namespace canopy::net {

// From two PEM files, the certificate followed by its chain.
//   invalid  one cannot be read, is none, or they do not belong together; the message says which
Result<std::unique_ptr<boost::asio::ssl::context>> make_server_tls(const std::string& certificate_file,
                                                                   const std::string& key_file);

}  // namespace canopy::net
