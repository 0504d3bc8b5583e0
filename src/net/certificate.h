#pragma once
// A small authority of one's own: certificates for servers that workers join, for the workers,
// and for balancers between them.
//
// Keys are of the curve P-256. All is PEM.
//
// Threads: any.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::net {

struct Credentials {
  std::string certificate;
  std::string key;
};

// One that signs others, and is signed by itself. It signs no other authority.
Result<Credentials> make_authority(std::string_view name, WallTime now, Duration valid_for);

// Of a server for `hosts`, names and addresses, at least one.
//   invalid  a host that is neither; an authority that is none
Result<Credentials> make_server_certificate(const Credentials& authority,
                                            const std::vector<std::string>& hosts, WallTime now,
                                            Duration valid_for);

// The same, and good for whoever connects, too: of one between others.
//   invalid  a host that is neither; an authority that is none
Result<Credentials> make_balancer_certificate(const Credentials& authority, std::string_view name,
                                              const std::vector<std::string>& hosts, WallTime now,
                                              Duration valid_for);

// Of one who connects. It is good for nothing but that.
//   invalid  an authority that is none
Result<Credentials> make_client_certificate(const Credentials& authority, std::string_view name, WallTime now,
                                            Duration valid_for);

}  // namespace canopy::net
