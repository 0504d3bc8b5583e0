#pragma once
// Which addresses belong to the public network: those that a stranger may make us connect to.

#include <boost/asio/ip/address.hpp>

namespace canopy::net {

// False for this machine, private and shared networks, link-local (and with it the metadata services of clouds),
// multicast, reserved and documentation ranges; also where such an address is wrapped in an IPv6 one (mapped,
// compatible, NAT64, 6to4, Teredo).
bool is_public(const boost::asio::ip::address& address);

}  // namespace canopy::net
