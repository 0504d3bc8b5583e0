#pragma once
// The addresses of a host. The system looks a name up in its own time, which may be half a minute; whoever
// asks here waits no longer than a deadline.
//
// A look-up that nobody waits for any more goes on in its thread until the system has answered, and counts
// until then among the name_lookups_max of this process.
//
// Threads: any; blocks.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "base/clock.h"
#include "base/error.h"

namespace canopy::net {

inline constexpr std::size_t name_lookups_max = 64;

// What is asked, on a thread of its own; none for a name that is not known. It may outlive its call.
using AskAddresses = std::function<std::vector<boost::asio::ip::address>(const std::string& host)>;

// The system's answer.
std::vector<boost::asio::ip::address> ask_system(const std::string& host);

// The addresses of `host`, in the order in which they are to be tried; none where it is not known.
//   deadline     no answer came before `deadline`
//   unavailable  name_lookups_max are under way, or no thread can be had
Result<std::vector<boost::asio::ip::address>> look_up(const std::string& host, Time deadline,
                                                      const AskAddresses& ask = ask_system);

}  // namespace canopy::net
