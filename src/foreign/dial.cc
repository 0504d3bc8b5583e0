#include "foreign/dial.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/name_lookup.h"

namespace canopy::foreign {
namespace {

constexpr Duration dial_timeout = std::chrono::seconds(3);

tl::unexpected<Error> no_connection(int error) {
  return fail(Code::unavailable, std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

// Has begun to connect.
Result<Descriptor> begin_connecting(const sockaddr_storage& address) {
  const socklen_t size = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  Descriptor made(socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made) return no_connection(errno);
  const int yes = 1;
  setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (connect(made.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 || errno == EINPROGRESS) {
    return made;
  }
  return no_connection(errno);
}

sockaddr_storage storage_of(const boost::asio::ip::address& address, std::uint16_t port) {
  sockaddr_storage made{};
  if (address.is_v6()) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(made);
    const auto bytes = address.to_v6().to_bytes();
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(made);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    v4.sin_addr.s_addr = htonl(address.to_v4().to_uint());
  }
  return made;
}

Result<Descriptor> connect_to(const sockaddr_storage& address, Time deadline) {
  CANOPY_TRY(Descriptor made, begin_connecting(address));
  pollfd wanted{made.get(), POLLOUT, 0};
  int ready = 0;
  do {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    ready = poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
  } while (ready < 0 && errno == EINTR);
  if (ready != 1) return no_connection(ready == 0 ? ETIMEDOUT : errno);
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return no_connection(error);
  return made;
}

Result<Descriptor> dial(const std::string& address) {
  const Time deadline = system_clock().now() + dial_timeout;
  const std::size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(colon + 1)));
  CANOPY_TRY(const auto found, net::look_up(host, deadline));
  Result<Descriptor> last = fail(Code::unavailable, "no address is known for '" + host + "'");
  for (std::size_t i = 0; i < found.size(); ++i) {
    // One from which nothing comes leaves the others their part of the time.
    const Time now = system_clock().now();
    const auto share = (deadline - now) / static_cast<Duration::rep>(found.size() - i);
    last = connect_to(storage_of(found[i], port), now + share);
    if (last) return last;
  }
  return last;
}

}  // namespace

Dial make_dial(exec::Core& core, net::BlockingPool& pool) {
  return [&core, &pool](const std::string& address, const OnDialled& done) {
    const auto work = [&core, address, done] {
      auto connection = std::make_shared<Result<Descriptor>>(dial(address));
      core.post([connection, done] { done(std::move(*connection)); });
    };
    if (pool.post(work)) return;
    core.post([done] { done(fail(Code::unavailable, "too much waits to be done")); });
  };
}

Result<Descriptor> connect_again(int connection) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(connection, reinterpret_cast<sockaddr*>(&address), &size) != 0) return no_connection(errno);
  return begin_connecting(address);
}

}  // namespace canopy::foreign
